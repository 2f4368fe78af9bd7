"""Draws from the announcement to the rounds: who, twice never, nothing quietly, and anybody can compute it again."""

import html
import re
import subprocess
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checklists import course, draws, rounds
from checklists.draws import recipe, ties
from checklists.models import Campaign, Check, Draw, Item, Responsibility, Round, Task
from checklists.rounds import relief
from readiness.draws import lists
from tests import factories
from tests.checklists.conftest import queries
from tests.factories import COUNTY, EAST, LAKE, MAPLE, WEST, WILLOW
from villages.access import Role
from villages.models import Cadre, Post, Unit

pytestmark = pytest.mark.django_db
As = Callable[[str], Client]
Cast = dict[str, Cadre]

WISHES: dict[str, Any] = {
    "title": "第一次抽查", "among": COUNTY, "kind": "village", "chances": "same", "repeat": "all", "last": "",
    "groups": "none", "take": "2", "counted": "all", "least": "", "items": "all", "take_items": "",
    "roles": ["supervisor", "campaign_admin"], "seats": "1", "rhythm": "patrol", "on": "", "number": "1",
}  # fmt: skip


def new(campaign: Campaign, client: Client, **wishes: Any) -> Any:
    return client.post(f"/campaigns/{campaign.pk}/draws/new/", WISHES | wishes)


def announced(campaign: Campaign, client: Client, **wishes: Any) -> Draw:
    """A draw by the form; beside another one, with a reason."""
    number = draws.next_number(campaign)
    wishes = {"reason": "再抽一次" if number > 1 else ""} | wishes
    answer = new(campaign, client, announce="1", number=number, **wishes)
    assert answer.status_code == 302, complaints(answer)
    return Draw.objects.get(campaign=campaign, number=number)


def give(draw: Draw, client: Client, number: str) -> Any:
    return client.post(f"/draws/{draw.pk}/number/", {"number": number})


def drawn(campaign: Campaign, as_: As, **wishes: Any) -> Draw:
    """Announced by Ada, with numbers by Su and Mei."""
    draw = announced(campaign, as_("ada"), **wishes)
    assert give(draw, as_("su"), "17").status_code == give(draw, as_("mei"), "0042").status_code == 302
    return Draw.objects.get(pk=draw.pk)


def complaints(answer: Any) -> list[str]:
    body = answer.content.decode()
    found = re.findall(r'(?:complaint|alert-warning)" role="alert"[^>]*>([^<]+)<', body)
    return [html.unescape(words) for words in found]


def page_of(draw: Draw, client: Client) -> str:
    return client.get(f"/draws/{draw.pk}/").content.decode()


# ---- From the announcement to the rounds ---------------------------------------------------------------------------


def test_two_numbers_draw_and_make_a_round_for_each_unit(campaign: Campaign, as_: As, cast: Cast) -> None:
    draw = announced(campaign, as_("ada"), rhythm="focus", on=timezone.localdate().isoformat())
    assert Round.objects.count() == 0
    give(draw, as_("su"), "17")
    assert Round.objects.count() == 0
    give(draw, as_("mei"), "0042")
    draw.refresh_from_db()
    assert (draw.number_one, draw.number_one_by, draw.number_two, draw.number_two_by) == (
        "17", cast["su"], "0042", cast["mei"],
    )  # fmt: skip
    codes = [unit.code for unit in draws.result(draw).units]
    rounds = Round.objects.filter(draw=draw)
    assert sorted(one.unit_id for one in rounds) == sorted(codes)
    assert len(codes) == 2
    for one in rounds:
        assert (one.rhythm, one.on, one.why, one.made_by) == (
            "focus", timezone.localdate(), "第一次抽查", cast["mei"],
        )  # fmt: skip
        assert one.inspectors.count() == 1
        assert not one.items.exists()


def test_items_are_drawn_too(campaign: Campaign, as_: As) -> None:
    draw = drawn(campaign, as_, items="section:一(一)", take_items="2")
    for one in draw.rounds.all():
        assert {item.pk for item in one.items.all()} == {item.id for item in draws.result(draw).items}
        assert one.items.count() == 2
    every = drawn(campaign, as_, items="kind:action", repeat="none")
    assert all(one.items.count() == 3 for one in every.rounds.all())


def test_the_page_tells_hashes_first_and_all_the_rest_once_the_rounds_are_over(campaign: Campaign, as_: As) -> None:
    draw = announced(campaign, as_("ada"))
    lan, su = as_("lan"), as_("su")
    page = page_of(draw, lan)
    assert recipe.hashed(draw.secret) == draw.commitment
    assert draw.secret not in page
    give(draw, su, "123454321")
    assert "123454321" not in page_of(draw, as_("mei"))
    assert "Su" in page_of(draw, lan)
    give(draw, as_("mei"), "7654567")
    told = (draw.secret, "123454321", "7654567", "sha256sum")
    for who, over in (("su", False), ("lan", False), ("lan", True)):
        if over:
            end(*draw.rounds.all())
        page = page_of(draw, as_(who))
        for shown in told:
            assert (shown in page) is (over or who == "su"), (who, over)
        assert ("在本次督查全部结束后公开" in page) is not (over or who == "su")
        for always in (draw.commitment, recipe.hashed(draw.frozen), "/list.txt"):
            assert always in page


VILLAGES = {WILLOW: "柳村", MAPLE: "枫村", LAKE: "湖村"}


def end(*visits: Round) -> None:
    for one in visits:
        Round.objects.filter(pk=one.pk).update(finished_by=one.made_by, finished_at=timezone.now())


def test_nobody_reads_of_a_visit_in_its_draw_before_it_is_over(campaign: Campaign, as_: As, cast: Cast) -> None:
    """By everyone of the cast whom the draw reaches: which villages its page names, and whether it tells the secret."""
    cast["wei"] = factories.cadre("Wei", Role.TOWNSHIP_STAFF, WEST)
    cast["dong"] = factories.cadre("Dong", Role.SUPERVISOR, EAST)  # plans rounds there, and sees no others
    first = drawn(campaign, as_, take="3", roles=["township_staff"])
    visits = {one.unit_id: one for one in first.rounds.all()}
    assert {code: one.inspectors.get().username for code, one in visits.items()} == {
        WILLOW: "wei", MAPLE: "wei", LAKE: "bao",
    }  # fmt: skip

    def told(draw: Draw, who: str) -> tuple[set[str], bool]:
        page = page_of(draw, as_(who))
        assert ("Wei" in page or "Bao" in page) == any(name in page for name in VILLAGES.values())
        shell, numbers = 'id="script"' in page, "0042" in page or ">2<" in page
        assert (draw.secret in page) == shell == numbers
        return {code for code, name in VILLAGES.items() if name in page}, shell

    def check(draw: Draw, wanted: dict[str, tuple[set[str], bool]], others: tuple[set[str], bool]) -> None:
        for who in ("mei", "ada", "su", "dong", "wei", "bao", "lan", "hong", "lin", "tang", "deng", "an"):
            assert told(draw, who) == wanted.get(who, others), who

    whole = {*VILLAGES}, True
    plan = dict.fromkeys(("mei", "ada", "su"), whole) | dict.fromkeys(("dong", "wei"), ({WILLOW, MAPLE}, False))
    check(first, plan | {"bao": ({LAKE}, False)}, (set(), False))
    end(visits[WILLOW])  # shows itself where it is seen
    nothing = dict.fromkeys(("hong", "deng"), (set[str](), False))
    check(first, plan | nothing | {"bao": ({WILLOW, LAKE}, False)}, ({WILLOW}, False))

    # What is drawn instead takes the place of the other two, which opens the first; and waits itself.
    assert again(first, campaign, as_("ada"), reason="下大雨", roles=["township_staff"], take="2").status_code == 302
    second = Draw.objects.get(number=2)
    give(second, as_("su"), "1")
    give(second, as_("mei"), "2")
    check(first, {}, whole)
    assert told(second, "lan") == told(second, "tang") == (set(), False)

    # A list that leaves out what waits would tell.
    third = announced(campaign, as_("ada"), take="1", repeat="last", last="1", reason="再抽一个村")
    for who, reads in (("lan", False), ("tang", False), ("an", False), ("su", True), ("mei", True)):
        answer = as_(who).get(f"/draws/{third.pk}/list.txt")
        assert answer.status_code == (200 if reads else 403)
        assert ("/list.txt" in page_of(third, as_(who))) is reads
    end(*second.rounds.all())
    assert as_("lan").get(f"/draws/{third.pk}/list.txt").status_code == 200
    check(second, {}, ({MAPLE, LAKE}, True))


def test_a_closed_campaign_opens_its_draws(campaign: Campaign, as_: As, cast: Cast) -> None:
    draw = drawn(campaign, as_)
    assert draw.secret not in page_of(draw, as_("lan"))
    course.steer(campaign, "closed", by=cast["ada"])
    assert draw.secret in page_of(draw, as_("lan"))


def test_the_shell_text_of_the_page_prints_the_same_list(campaign: Campaign, as_: As, tmp_path: Path) -> None:
    draw = drawn(campaign, as_, chances="risk", groups="township", least="1", take_items="2")
    end(*draw.rounds.all())
    lan = as_("lan")
    answer = lan.get(f"/draws/{draw.pk}/list.txt")
    assert recipe.hashed(answer.content.decode()) == recipe.hashed(draw.frozen)
    (tmp_path / "list.txt").write_bytes(answer.content)
    found = re.search(r'<pre class="script"[^>]*>(.*?)</pre>', page_of(draw, lan), re.DOTALL)
    assert found
    script = html.unescape(found[1])
    ran = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    drawn_here = draws.result(draw)
    lines = [item.number for item in drawn_here.items]
    for unit in drawn_here.units:
        there = Round.objects.get(draw=draw, unit=unit.code).inspectors.values_list("pk", flat=True)
        lines.append(" ".join(map(str, [unit.code, *there])))
    assert ran.stdout.splitlines()[2:] == lines
    assert ran.stdout.split()[0] == draw.commitment


def test_redraw_says_whether_the_rounds_are_what_was_drawn(campaign: Campaign, as_: As, cast: Cast) -> None:
    draw = drawn(campaign, as_, take_items="1")
    said = StringIO()
    call_command("redraw", draw.pk, stdout=said)
    assert all(unit.code in said.getvalue() for unit in draws.result(draw).units)
    one = draw.rounds.order_by("pk")[0]
    for spoil in (
        lambda: one.inspectors.set([cast["deng"]]),
        lambda: one.items.clear(),
        lambda: Round.objects.filter(pk=one.pk).update(unit=EAST),
    ):
        with transaction.atomic():
            spoil()
            wrong = StringIO()
            with pytest.raises(SystemExit) as ended:
                call_command("redraw", draw.pk, stdout=StringIO(), stderr=wrong)
            assert ended.value.code == 1
            assert one.unit_id in wrong.getvalue()
            transaction.set_rollback(True)


def test_others_who_go_on_a_drawn_round_are_on_the_record_and_no_difference(
    campaign: Campaign, as_: As, cast: Cast
) -> None:
    """Who is drawn and cannot go is replaced with a reason: the page says both, the recipe gives who was drawn."""
    wei = factories.cadre("Wei", Role.TOWNSHIP_STAFF, WEST)
    draw = drawn(campaign, as_, among=EAST, roles=["township_staff"], repeat="none")
    one = draw.rounds.order_by("pk")[0]
    assert one.inspectors.get() == wei
    sent: dict[str, Any] = {"by": cast["su"], "was": [wei.pk], "reason": "住院"}
    tied = factories.cadre("Tied", Role.SUPERVISOR, COUNTY)
    today = timezone.localdate()
    factories.appoint(tied, Role.VILLAGE_CADRE, MAPLE, until=today - timedelta(days=30))
    with pytest.raises(rounds.Unfit, match="Tied"):  # as the draw's own rule
        relief.relieve(one, event=factories.uuid.uuid4(), people=[tied], **sent)
    relief.relieve(one, event=factories.uuid.uuid4(), people=[cast["ada"]], **sent)
    assert draws.differences(draw) == []
    said = StringIO()
    call_command("redraw", draw.pk, stdout=said)
    assert re.search(rf"{one.unit_id} .*: Wei \(\d+\)\n  since .*: Ada, because: 住院\n", said.getvalue())
    page = page_of(draw, as_("mei"))
    assert "由Ada去（原为Wei），Su换人，理由： <q>住院</q>" in page
    one.inspectors.set([cast["mei"]])  # past the verb
    assert draws.differences(draw) == [f"{one.unit_id} has other inspectors"]


def test_a_draw_cannot_be_changed_by_anybody(campaign: Campaign, as_: As) -> None:
    draw = drawn(campaign, as_)
    for change in ({"secret": "0" * 64}, {"number_two": "43"}, {"frozen": draw.frozen + "\n"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Draw.objects.filter(pk=draw.pk).update(**change)


# ---- Two people ----------------------------------------------------------------------------------------------------


def test_one_person_cannot_give_both_numbers(campaign: Campaign, as_: As) -> None:
    draw = announced(campaign, as_("ada"))
    su = as_("su")
    assert give(draw, su, "17").status_code == 302
    assert give(draw, su, "17").status_code == 302  # a double tap
    answer = give(draw, su, "18")
    assert answer.status_code == 409
    assert complaints(answer) == ["第一个数是您给的，第二个数须由别人给。"]
    stages = page_of(draw, su).partition('class="stages"')[2].partition("</ol>")[0]
    assert "第一个数：Su已给出" in stages
    assert "已抽取" not in stages, "nothing is drawn yet"
    draw.refresh_from_db()
    assert (draw.number_one, draw.is_drawn) == ("17", False)


@pytest.mark.parametrize("way", ["for the first", "for the second", "both for a third", "for the first, until today"])
def test_a_stand_in_is_no_second_person(campaign: Campaign, as_: As, cast: Cast, way: str) -> None:
    today = timezone.localdate()
    leader = factories.cadre("Third", Role.COUNTY_LEADER, COUNTY)
    post = {name: Post.objects.get(cadre=person) for name, person in (("su", cast["su"]), ("mei", cast["mei"]))}
    pairs = {
        "for the first": [("mei", post["su"])],
        "for the first, until today": [("mei", post["su"])],
        "for the second": [("su", post["mei"])],
        "both for a third": [("su", leader.posts.get()), ("mei", leader.posts.get())],
    }[way]
    for who, whose in pairs:
        held = {"since": today - timedelta(days=2), "until": today + timedelta(days=0 if "until" in way else 9)}
        factories.appoint(cast[who], whose.role, COUNTY, stands_in_for=whose, **held)
    draw = announced(campaign, as_("ada"))
    draw.pk, draw.number, draw.announced_at = None, 2, timezone.now() - timedelta(days=1)  # as if it were yesterday
    draw.save(force_insert=True)
    give(draw, as_("su"), "17")
    answer = give(draw, as_("mei"), "18")
    assert answer.status_code == 409
    assert "Su" in complaints(answer)[0]
    assert not Draw.objects.get(pk=draw.pk).is_drawn
    assert give(draw, as_("ada"), "18").status_code == 302  # somebody else can
    assert Draw.objects.get(pk=draw.pk).is_drawn


NO_NUMBERS = ["", " ", "1" * 41, "7" * 10_000, "-1", "1.5", "1e9", "1 2", "0x7", "七", "１２３ａ", "1\0"]


@pytest.mark.parametrize("number", NO_NUMBERS, ids=lambda number: repr(number[:50]))
def test_what_is_no_number_is_refused_in_words(campaign: Campaign, as_: As, number: str) -> None:
    draw = announced(campaign, as_("ada"))
    answer = give(draw, as_("su"), number)
    assert answer.status_code == 422
    assert len(complaints(answer)[0]) > 5
    assert Draw.objects.get(pk=draw.pk).number_one == ""


def test_forty_digits_and_full_width_ones_are_taken(campaign: Campaign, as_: As) -> None:
    draw = announced(campaign, as_("ada"))
    assert give(draw, as_("su"), "0" * 39 + "1").status_code == 302
    assert give(draw, as_("mei"), "１２３").status_code == 302
    assert Draw.objects.get(pk=draw.pk).number_two == "123"


def test_a_third_number_comes_too_late(campaign: Campaign, as_: As) -> None:
    draw = drawn(campaign, as_)
    assert give(draw, as_("ada"), "5").status_code == 409
    assert give(draw, as_("mei"), "0042").status_code == 302  # a repeat is an answer
    assert Round.objects.count() == 2


def test_numbers_are_given_by_leaders_too_but_only_where_they_lead(campaign: Campaign, as_: As) -> None:
    county = announced(campaign, as_("ada"))
    east = announced(campaign, as_("su"), among=EAST, take="1", repeat="none")
    assert give(county, as_("tang"), "1").status_code == 403
    assert give(east, as_("tang"), "1").status_code == 302
    for who, status in (("lan", 403), ("bao", 403), ("an", 403), ("chen", 404), ("nobody", 404)):
        assert give(east, as_(who), "1").status_code == status, who


# ---- The form ------------------------------------------------------------------------------------------------------


def test_the_preview_counts_each_group_and_writes_nothing(campaign: Campaign, as_: As) -> None:
    answer = new(campaign, as_("ada"), groups="township", least="1")
    assert answer.status_code == 200
    body = answer.content.decode()
    assert re.findall(r"<li>(\S+) <b>(\d)</b></li>", body) == [("东镇", "2"), ("西镇", "1")]
    assert 'name="announce"' in body
    assert 'value="第一次抽查"' in body
    assert not Draw.objects.exists()


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "more than there are": ({"take": "4"}, "take"),
    "zero": ({"take": "0"}, "take"),
    "no number": ({"take": "many"}, "take"),
    "a huge number": ({"take": "9" * 30}, "take"),
    "a least that a group does not have": ({"groups": "township", "least": "2", "take": "3"}, "least"),
    "more from each group than it has": ({"groups": "township", "counted": "group", "take": "2"}, "take"),
    "leasts that are more than all": ({"groups": "township", "least": "1", "take": "1"}, "take"),
    "a least without groups": ({"least": "1"}, "groups"),
    "no kind": ({"kind": "province"}, "kind"),
    "nobody there": ({"kind": "site"}, "kind"),
    "somebody else's county": ({"among": factories.OTHER_COUNTY}, "among"),
    "more items than there are": ({"take_items": "9"}, "take_items"),
    "no such items": ({"items": "section:nothing"}, "items"),
    "a title of 300 characters": ({"title": "长" * 300}, "title"),
    "nobody to send": ({"roles": []}, "roles"),
    "a role that checks nothing": ({"roles": ["village_cadre"]}, "roles"),
    "fewer inspectors than seats": ({"seats": "3"}, "seats"),
    "no day": ({"on": "2026-02-30"}, "on"),
    "how many of the latest": ({"repeat": "last"}, "last"),
}


@pytest.mark.parametrize("what", WRONG)
def test_the_form_says_what_is_wrong_and_keeps_what_was_typed(campaign: Campaign, as_: As, what: str) -> None:
    wishes, field = WRONG[what]
    answer = new(campaign, as_("ada"), announce="1", **wishes)
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == [field]
    assert complaints(answer)
    assert 'value="第一次抽查"' in answer.content.decode() or what.startswith("a title")
    assert not Draw.objects.exists()


def test_kinds_of_items_go_by_their_names_and_one_that_no_such_unit_has_is_what_is_wrong(
    campaign: Campaign, as_: As
) -> None:
    Item.objects.filter(campaign=campaign, owed_by=["village"]).update(kind="training")
    ada = as_("ada")
    page = ada.get(f"/campaigns/{campaign.pk}/draws/new/").content.decode()
    assert "类别：培训" in page
    assert "类别：training" not in page
    answer = new(campaign, ada, kind="department", items="kind:training")
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == ["items"]
    assert complaints(answer) == ["所选检查项没有这类单位承担，请改选别的检查项或全部检查项。"]


def test_units_without_anyone_to_go_there_are_named(campaign: Campaign, as_: As) -> None:
    answer = new(campaign, as_("ada"), roles=["township_staff"])  # Bao of the East can go to the West only
    assert answer.status_code == 422
    (words,) = complaints(answer)
    assert "柳村" in words
    assert "枫村" in words
    assert "湖村" not in words


def test_every_unit_drawn_before_leaves_none(campaign: Campaign, as_: As) -> None:
    drawn(campaign, as_, take="3")
    answer = new(campaign, as_("ada"), number="2")
    assert list(answer.context["form"].errors) == ["repeat"]
    assert new(campaign, as_("ada"), number="2", repeat="none", reason="再抽一次").status_code == 200


def test_units_that_take_no_part_are_not_drawn(campaign: Campaign, as_: As) -> None:
    campaign.excluded.add(EAST)
    draw = announced(campaign, as_("ada"), take="1")
    assert [unit.code for unit in recipe.read(draw.frozen).units] == [LAKE]


def test_the_same_form_twice_is_one_draw_and_another_ones_number_is_told(campaign: Campaign, as_: As) -> None:
    ada, su = as_("ada"), as_("su")
    first, again = (new(campaign, ada, announce="1") for _ in "ab")
    assert first.url == again.url
    late = new(campaign, su, announce="1", title="别的")
    assert late.status_code == 422
    assert complaints(late)
    assert 'name="number" value="2"' in late.content.decode()
    assert Draw.objects.count() == 1


@pytest.mark.parametrize("status", ["draft", "paused", "closed"])
def test_nothing_is_drawn_unless_the_campaign_is_under_way(
    campaign: Campaign, as_: As, cast: Cast, status: str
) -> None:
    draw = announced(campaign, as_("ada"))
    if status == "closed":
        course.steer(campaign, "closed", by=cast["ada"])
    else:
        Campaign.objects.filter(pk=campaign.pk).update(status=status)
    assert new(campaign, as_("ada"), announce="1", number="2").status_code == 403
    assert give(draw, as_("su"), "1").status_code == 409
    assert 'id="number"' not in page_of(draw, as_("su"))


# ---- Whom and what the list holds ----------------------------------------------------------------------------------


def test_no_repeat_leaves_out_what_was_drawn_and_says_so(campaign: Campaign, as_: As) -> None:
    first = drawn(campaign, as_, take="1")
    second = drawn(campaign, as_, take="1")
    listed = recipe.read(second.frozen)
    (gone,) = draws.result(first).units
    assert [code for code, _ in listed.left_out] == [gone.code]
    assert gone.code not in {unit.code for unit in listed.units}
    latest = announced(campaign, as_("ada"), take="1", repeat="last", last="1")
    (later,) = draws.result(second).units
    assert [code for code, _ in recipe.read(latest.frozen).left_out] == [later.code]


@given(
    plan=st.lists(
        st.tuples(st.sampled_from(["all", "last", "none"]), st.integers(1, 3), st.integers(1, 2), st.booleans()),
        min_size=2,
        max_size=5,
    )
)
@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_unit_comes_again_where_it_shall_not(
    campaign: Campaign, cast: Cast, plan: list[tuple[str, int, int, bool]]
) -> None:
    """Draw after draw, some replaced by the next: what is left out is what a plain list of them says."""
    stand: list[tuple[Draw, set[str]]] = []  # those that nobody replaced
    among, today = Unit.objects.get(pk=COUNTY), timezone.localdate()
    kept = {"kind": "village", "chances": "same", "groups": "none", "counted": "all", "least": 0, "items": "all"}
    kept |= {"take_items": None, "roles": [Role.SUPERVISOR], "seats": 1, "rhythm": "patrol", "on": None}
    with transaction.atomic():
        for number, (repeat, last, take, again) in enumerate(plan, start=1):
            replaced = stand.pop()[0] if again and stand else None
            counted = {"all": stand, "last": stand[-last:], "none": []}[repeat]
            gone = {code for _, codes in counted for code in codes}
            wishes = kept | {"repeat": repeat, "last": last, "take": take}
            items = lists.asked_items(campaign)
            frozen = lists.gather(
                campaign, cast["ada"], wishes, items, number=number, among=among, on=today, instead_of=replaced
            )
            assert {code for code, _ in frozen.left_out} == gone
            try:
                draw = draws.announce(
                    campaign, frozen, number=number, title="抽查", among=among, wishes=wishes, by=cast["ada"],
                    instead_of=replaced, reason="换",
                )  # fmt: skip
            except recipe.Unfit:
                assert take > 3 - len(gone)
                break
            draws.give_number(draw, str(number), by=cast["su"])
            draw = draws.give_number(draw, "7", by=cast["mei"])
            codes = {one.unit_id for one in draw.rounds.all()}
            assert len(codes) == take
            assert not codes & gone
            stand.append((draw, codes))
        transaction.set_rollback(True)


PLACES = [WILLOW, MAPLE, LAKE, EAST, WEST, COUNTY, factories.MARKET, factories.BUREAU]


@given(held=st.lists(st.sampled_from(PLACES), max_size=4))
@settings(deadline=None, derandomize=True)
def test_who_is_tied_to_a_unit_goes_nowhere_in_its_township(held: list[str]) -> None:
    sent = recipe.Inspector(1, ties.barred_by(ties.township_of(code) or code for code in held), "Su")
    for code in (WILLOW, MAPLE, LAKE, EAST, factories.MARKET, factories.BUREAU):
        tied = any(code[:9] == tie[:9] for tie in held if tie not in (COUNTY, factories.BUREAU)) or (
            code == factories.BUREAU in held
        )
        assert sent.may_go_to(code) is not tied


def test_risk_gives_more_lots_and_says_why(campaign: Campaign, as_: As, cast: Cast) -> None:
    Task.objects.filter(unit=WILLOW).update(due_on=timezone.localdate() - timedelta(days=1), veto=True)
    Task.objects.filter(unit=MAPLE, item__number="v-1").update(state="returned")
    done = {"done_by": cast["wang"] if "wang" in cast else cast["lan"], "done_at": timezone.now()}
    seen = {"verified_by": cast["su"], "verified_at": timezone.now()}
    Task.objects.filter(unit=LAKE, item__number="v-1").update(state="verified", **done, **seen)
    draw = drawn(campaign, as_, chances="risk", take="3")
    assert {unit.code: (unit.lots, unit.risks) for unit in recipe.read(draw.frozen).units} == {
        WILLOW: (4, ("overdue", "veto", "unchecked")), MAPLE: (2, ("returned",)), LAKE: (1, ()),
    }  # fmt: skip


def test_lights_make_groups(campaign: Campaign, as_: As) -> None:
    Task.objects.filter(unit=WILLOW).update(due_on=timezone.localdate() - timedelta(days=1))
    draw = announced(campaign, as_("ada"), groups="light", counted="group", take="1")
    listed = recipe.read(draw.frozen)
    assert {unit.code: unit.group for unit in listed.units} == {WILLOW: "red", MAPLE: "green", LAKE: "green"}
    assert (listed.take, listed.least) == (2, 1)
    assert re.findall(r"<li>(\S+) <b>(\d)</b></li>", page_of(draw, as_("lan"))) == [("红灯", "1"), ("绿灯", "2")]


def test_nobody_is_sent_where_they_have_a_tie(campaign: Campaign, as_: As, cast: Cast) -> None:
    today = timezone.localdate()
    roles = ["township_staff", "township_leader", "linked", "supervisor", "campaign_admin"]
    wei = factories.cadre("Wei", Role.TOWNSHIP_STAFF, WEST)
    gone = factories.cadre("Gone", Role.SUPERVISOR, COUNTY)
    factories.appoint(gone, Role.VILLAGE_CADRE, LAKE, until=today - timedelta(days=300))
    long_gone = factories.cadre("Long", Role.SUPERVISOR, COUNTY)
    factories.appoint(
        long_gone, Role.VILLAGE_CADRE, LAKE, until=today - timedelta(days=400), since=today - timedelta(800)
    )
    Responsibility.objects.filter(campaign=campaign, unit=MAPLE, kind="lead").update(cadre=cast["su"], by_hand=True)
    far = factories.cadre("Far", Role.SUPERVISOR, factories.OTHER_COUNTY)
    ended = factories.cadre("Ended", Role.SUPERVISOR, COUNTY, until=today)
    draw = announced(campaign, as_("ada"), roles=roles, take="1")
    barred = {one.id: one.barred for one in recipe.read(draw.frozen).inspectors}
    assert barred == {
        cast["bao"].pk: (EAST,), cast["tang"].pk: (EAST,), cast["lin"].pk: (EAST,), wei.pk: (WEST,),
        cast["su"].pk: (MAPLE,), cast["ada"].pk: (), gone.pk: (WEST,), long_gone.pk: (),
    }  # fmt: skip
    assert {far.pk, ended.pk, cast["lan"].pk} & {*barred} == set()


def test_townships_look_at_each_other(campaign: Campaign, as_: As, cast: Cast) -> None:
    """A draw among the East's villages may send people of the West, and none of the East."""
    wei = factories.cadre("Wei", Role.TOWNSHIP_STAFF, WEST)
    draw = drawn(campaign, as_, among=EAST, roles=["township_staff"])
    assert {one.pk for round in draw.rounds.all() for one in round.inspectors.all()} == {wei.pk}


# ---- Not redone quietly --------------------------------------------------------------------------------------------


def again(draw: Draw, campaign: Campaign, client: Client, **wishes: Any) -> Any:
    fields = {"announce": "1", "number": draws.next_number(campaign), "instead_of": draw.pk} | wishes
    return new(campaign, client, **fields)


def test_a_draw_made_again_needs_a_reason_and_both_stand(campaign: Campaign, as_: As, cast: Cast) -> None:
    first = drawn(campaign, as_)
    ada = as_("ada")
    answer = again(first, campaign, ada)
    assert list(answer.context["form"].errors) == ["reason"]
    assert again(first, campaign, ada, reason="两名检查员病了").status_code == 302
    second = Draw.objects.get(number=2)
    assert recipe.read(second.frozen).left_out == ()  # nobody had begun
    begun, other = first.rounds.order_by("pk")
    task = Task.objects.filter(unit=begun.unit_id)[0]
    fields = {"id": factories.body()["event"], "result": "holds", "by": cast["su"], "was": task.state}
    Check.objects.create(round=begun, task=task, **fields)
    assert not any(one.is_replaced for one in draws.with_standing(first.rounds.all()))  # not before it is drawn
    give(second, as_("su"), "1")
    give(second, as_("mei"), "2")
    standing = {one.pk: (one.begun, one.is_replaced) for one in draws.with_standing(first.rounds.all())}
    assert standing == {begun.pk: (True, False), other.pk: (False, True)}
    assert Round.objects.count() == 4
    assert f'href="/draws/{second.pk}/"' in page_of(first, as_("lan"))
    assert page_of(first, as_("mei")).count("is-off") == 1
    page = page_of(second, as_("lan"))
    assert f'href="/draws/{first.pk}/"' in page
    assert "两名检查员病了" in page
    assert again(first, campaign, ada, reason="再来").status_code == 422  # once is enough
    third = announced(campaign, ada, take="1", instead_of=second.pk, reason="换")
    assert {code for code, _ in recipe.read(third.frozen).left_out} == {begun.unit_id}


def look(visit: Round) -> None:
    task = Task.objects.filter(unit=visit.unit_id)[0]
    seen = {"id": factories.uuid.uuid4(), "result": "holds", "by": visit.made_by, "was": task.state}
    Check.objects.create(round=visit, task=task, **seen)


def test_another_draw_beside_one_that_is_not_done_says_why(campaign: Campaign, as_: As, cast: Cast) -> None:
    ada, wishes = as_("ada"), {"title": "第二次", "repeat": "none"}
    first = announced(campaign, ada)

    def refused(**other: Any) -> str:
        """What the form says, with the announcement and without: it is kept, and nothing is made."""
        for announce in ({}, {"announce": "1"}):
            answer = new(campaign, ada, number="2", **wishes | announce | other)
            assert answer.status_code == 422
            assert list(answer.context["form"].errors) == ["reason"]
            assert 'value="第二次"' in answer.text
            assert f'href="/draws/{first.pk}/"' in answer.text
            assert f"?instead_of={first.pk}" in answer.text
        assert not Draw.objects.filter(number=2).exists()
        (said,) = complaints(answer)
        assert "第1次抽取“第一次抽查”" in said
        return said

    assert "还没有给齐两个数" in refused()
    give(first, as_("su"), "1")
    give(first, as_("mei"), "2")
    assert "有2个一项都没有查过" in refused()
    refused(repeat="all", take="1")  # nor by leaving out what was drawn
    refused(among=EAST, roles=["supervisor"])  # nor among a part of it
    refused(items="section:一(一)", reason="  ")
    assert new(campaign, ada, kind="township", number="2", take="1").status_code == 200
    frozen = recipe.read(first.frozen)
    with pytest.raises(draws.NeedsReason):  # who comes past the form
        draws.announce(campaign, frozen, number=2, title="二", among=first.among, wishes=first.recipe, by=cast["su"])

    begun, other = first.rounds.order_by("pk")
    look(begun)
    end(begun, other)  # to end it without looking at anything is not to have been there
    assert "有1个一项都没有查过" in refused()
    second = announced(campaign, ada, reason="先去更远的村", **wishes)
    for page in (page_of(second, as_("lan")), as_("lan").get(f"/campaigns/{campaign.pk}/draws/").text):
        assert "先去更远的村" in page
    look(other)
    third = new(campaign, ada, number="3", repeat="none")
    assert list(third.context["form"].errors) == ["reason"]  # the second one waits by now
    give(second, as_("su"), "1")
    give(second, as_("mei"), "2")
    for one in second.rounds.all():
        look(one)
    assert new(campaign, ada, number="3", repeat="none").status_code == 200


def test_a_draw_replaced_before_it_was_made_is_not_made_any_more(campaign: Campaign, as_: As) -> None:
    first = announced(campaign, as_("ada"))
    assert again(first, campaign, as_("ada"), reason="名单有误").status_code == 302
    assert give(first, as_("su"), "1").status_code == 409


@pytest.mark.parametrize("asked", ["0", "-1", "x", "9" * 30, "²", "987654321"])
def test_instead_of_nothing_is_not_there(campaign: Campaign, as_: As, asked: str) -> None:
    assert as_("ada").get(f"/campaigns/{campaign.pk}/draws/new/?instead_of={asked}").status_code == 404


# ---- Who sees it, and what it costs --------------------------------------------------------------------------------


def test_everyone_whom_the_draw_reaches_sees_it_and_nobody_else(campaign: Campaign, as_: As) -> None:
    east = announced(campaign, as_("su"), among=EAST, take="1")
    for who, status in (("lan", 200), ("bao", 200), ("mei", 200), ("an", 200), ("deng", 404), ("chen", 404)):
        client = as_(who)
        assert client.get(f"/draws/{east.pk}/").status_code == status, who
        assert client.get(f"/draws/{east.pk}/list.txt").status_code == status, who
        listed = client.get(f"/campaigns/{campaign.pk}/draws/")
        assert (f"/draws/{east.pk}/" in listed.content.decode()) is (status == 200), who


def test_the_board_leads_to_the_draws(campaign: Campaign, as_: As) -> None:
    for who in ("mei", "lan"):
        board = as_(who).get(f"/campaigns/{campaign.pk}/").content.decode()
        assert f'href="/campaigns/{campaign.pk}/draws/"' in board


def test_pages_cost_the_same_for_two_units_and_for_two_hundred(
    cast: Cast, as_: As, tell: Callable[[str], None]
) -> None:
    campaign = factories.campaign(on=timezone.localdate())
    few = drawn(campaign, as_, groups="township", chances="risk")
    mei, ada = as_("mei"), as_("ada")
    pages = ["/campaigns/{}/draws/", "/campaigns/{}/draws/new/", "/draws/{}/", "/draws/{}/list.txt"]
    before = queries(mei, [pages[0].format(campaign.pk), *(page.format(few.pk) for page in pages[2:])])
    before += queries(ada, [pages[1].format(campaign.pk)])

    Unit.objects.bulk_create([Unit(code=f"{WEST}{n}", name=f"村{n}", parent_id=WEST) for n in range(300, 500)])
    for n in range(12):
        factories.cadre(f"Su{n}", Role.SUPERVISOR, COUNTY)
    campaign = factories.campaign(on=timezone.localdate())
    many = drawn(campaign, as_, groups="township", chances="risk", repeat="none", take="200")
    for n in range(8):
        announced(campaign, as_("ada"), title=f"第{n}次")
    after = queries(mei, [pages[0].format(campaign.pk), *(page.format(many.pk) for page in pages[2:])])
    after += queries(ada, [pages[1].format(campaign.pk)])
    assert before == after
    assert max(after) <= 12

    campaign = factories.campaign(on=timezone.localdate(), days=99)  # where nothing was drawn

    def preview(take: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert new(campaign, ada, groups="township", chances="risk", repeat="none", take=take).status_code == 200
        return len(captured)

    assert preview("2") == preview("200") <= 12
    tell(f"draws: list, draw, its file, form: {after} queries at 2 and at 200 units; the preview {preview('2')}")


# ---- What becomes of its rounds ------------------------------------------------------------------------------------


def replaced(campaign: Campaign, as_: As) -> tuple[Round, Round]:
    """A round that somebody has begun and one that nobody has, whose draw was made again."""
    first = drawn(campaign, as_)
    begun, other = first.rounds.order_by("pk")
    task = Task.objects.filter(unit=begun.unit_id)[0]
    Check.objects.create(
        id=factories.body()["event"], round=begun, task=task, result="holds", by=begun.inspectors.get(), was=task.state
    )
    second_by = as_("ada")
    assert again(first, campaign, second_by, reason="两名检查员病了").status_code == 302
    second = Draw.objects.get(number=2)
    give(second, as_("su"), "1")
    give(second, as_("mei"), "2")
    return begun, other


def test_a_replaced_round_is_nobodys_work_and_says_why(campaign: Campaign, as_: As) -> None:
    begun, other = replaced(campaign, as_)
    people = {one.pk: as_(one.username) for visit in (begun, other) for one in visit.inspectors.all()}
    for visit, stands in ((begun, True), (other, False)):
        client = people[visit.inspectors.get().pk]
        address = visit.get_absolute_url()
        for work in ("/rounds/", f"/campaigns/{campaign.pk}/rounds/"):
            assert (f'href="{address}"' in as_("su" if "campaigns" in work else visit.inspectors.get().username)
                    .get(work).text) == stands  # fmt: skip
        page = client.get(address).text
        assert ('name="result"' in page) == ("finish/" in page) == stands
        assert ("不再接收结果" in page) != stands
        left = Task.objects.filter(unit=visit.unit_id).exclude(checks__round=visit)
        sent = {"event": str(factories.uuid.uuid4()), "task": left[0].pk, "result": "holds", "remark": ""}
        (answer,) = client.post(f"{address}checks/", [sent], content_type="application/json").json()["answers"]
        assert answer["status"] == (200 if stands else 409)
        assert stands or "第2次抽取" in answer["said"]
        assert client.post(f"{address}finish/", {"left": left.count()}).status_code == (302 if stands else 409)
    other.refresh_from_db()
    assert not other.is_over
    assert not other.checks.exists()


def test_where_a_round_was_replaced_another_one_can_be_planned(campaign: Campaign, as_: As, cast: Cast) -> None:
    _begun, other = replaced(campaign, as_)
    Round.objects.filter(draw__number=2, unit=other.unit).update(finished_by=cast["su"], finished_at=timezone.now())
    made = rounds.plan(
        campaign, by=cast["su"], unit=other.unit, rhythm="patrol", why="补一次", inspectors=[cast["ada"]]
    )
    assert made.pk != other.pk


def test_a_draw_leads_to_its_rounds_and_results_for_who_sees_them(campaign: Campaign, as_: As) -> None:
    draw = drawn(campaign, as_)
    visit = draw.rounds.order_by("pk")[0]
    link = f'href="{visit.get_absolute_url()}"'
    assert link in page_of(draw, as_("mei"))
    assert link not in page_of(draw, as_("an"))  # nobody is warned
    task = Task.objects.filter(unit=visit.unit_id)[0]
    by = visit.inspectors.get()
    Check.objects.create(
        id=factories.body()["event"], round=visit, task=task, result="fails", remark="x", by=by, was="open"
    )
    assert "不属实 1 项" not in page_of(draw, as_("an"))
    Round.objects.filter(pk=visit.pk).update(finished_by=by, finished_at=timezone.now())
    page = page_of(draw, as_("an"))
    assert link in page
    assert "不属实 1 项" in page


def test_rounds_of_one_draw_or_below_one_unit_are_listed_alone(campaign: Campaign, as_: As) -> None:
    draw = drawn(campaign, as_, take="3")
    other = Round.objects.create(
        campaign=campaign, unit_id=MAPLE, rhythm="focus", made_by=Cadre.objects.get(username="su")
    )
    su, everything = as_("su"), [*draw.rounds.all(), other]

    def listed(query: str) -> set[int]:
        page = su.get(f"/campaigns/{campaign.pk}/rounds/?{query}").text
        return {one.pk for one in everything if f'href="{one.get_absolute_url()}"' in page}

    assert listed("draw=1") == {one.pk for one in everything if one.draw_id}
    assert listed(f"under={WEST}") == {one.pk for one in everything if one.unit_id.startswith(WEST)}
    for strange in ("", "draw=9", "draw=x", "draw=²", "under=99", "under=%00", "under=x' OR 1"):
        assert listed(strange) == {one.pk for one in everything}, strange
