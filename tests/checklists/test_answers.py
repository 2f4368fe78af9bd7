"""Who answers: the rule, whom it finds, who is named by hand, and the letter that says so."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from checklists import answers, launch, sync
from checklists.models import Campaign, Change, Item, Responsibility, Task
from checklists.models.campaign import POSTS
from readiness.reminders import outbox
from readiness.reminders.calendars import on_or_after
from tests import factories
from tests.checklists.conftest import queries
from tests.factories import BUREAU, COUNTY, EAST, LAKE, MAPLE, OTHER_VILLAGE, WEST, WILLOW
from villages.access import Role
from villages.models import Cadre, Post, Unit

LogIn = Callable[[str], Client]
Cast = dict[str, Cadre]


@pytest.fixture
def draft(cast: Cast) -> Campaign:
    """The small speech as a draft of the county, inspected in forty days."""
    today = timezone.localdate()
    return launch.draft(
        factories.template(), Unit.objects.get(pk=COUNTY), inspects_on=today + timedelta(days=40), on=today
    )


def page(campaign: Campaign, unit: str = "") -> str:
    return f"/campaigns/{campaign.pk}/setup/answers/" + (f"{unit}/" if unit else "")


def rule(campaign: Campaign, **changes: list[str]) -> dict[str, str]:
    """What the form of the rule sends."""
    chosen = campaign.answers | changes
    return {f"{kind}-{n}": post for kind, posts in chosen.items() for n, post in enumerate(posts)}


def held(campaign: Campaign, unit: str) -> dict[str, str]:
    """Kind -> who answers."""
    return dict(campaign.responsibilities.filter(unit=unit).values_list("kind", "cadre__name"))


def shown(client: Client, campaign: Campaign, **query: str) -> dict[str, dict[str, str]]:
    """What the preview says: unit -> kind -> name, marked where it is by hand."""
    rows = client.get(page(campaign), query).context["page"]
    return {
        row.code: {kind: one.cadre.name + "*" * one.by_hand for kind, one in row.answers.items() if one and one.held}
        for row in rows
    }


# ---- The rule -----------------------------------------------------------------------------------------------------


def test_the_rule_is_chosen_in_order_and_decides_at_the_launch(draft: Campaign, as_: LogIn) -> None:
    ada = as_("ada")
    assert ada.get(page(draft)).status_code == 200
    sent = rule(draft, direct=["linked_cadre", "township_staff"], linked=[], lead=["", "head_above", "head_above"])
    assert ada.post(page(draft), sent).status_code == 302
    draft.refresh_from_db()
    assert draft.answers == {
        "first": ["village_head", "township_head", "department_head"],
        "direct": ["linked_cadre", "township_staff"],
        "linked": [],
        "lead": ["head_above"],
    }
    told = Change.objects.get(campaign=draft)
    assert len(told.fields) == 3
    assert all(before != after for before, after in told.fields.values())
    preview = shown(ada, draft)
    assert preview[WILLOW] == {"first": "Lan", "direct": "Lin", "lead": "Tang"}
    launch.go_live(draft, on=timezone.localdate())
    assert {unit: held(draft, unit) for unit in preview} == preview
    ada.post(page(draft), rule(draft, direct=["linked_cadre", "township_staff"]) | {"linked-0": "linked_cadre"})
    assert sync.plan(Campaign.objects.get()).answer == 2  # the tasks follow when they are brought up to date


@pytest.mark.parametrize("post", ["king", "x" * 500, "village_head\0"])
def test_a_post_that_does_not_exist_is_refused(post: str, draft: Campaign, as_: LogIn) -> None:
    answer = as_("ada").post(page(draft), rule(draft, first=[post]))
    assert answer.status_code == 422
    assert "complaint" in answer.text
    draft.refresh_from_db()
    assert draft.answers["first"][0] == "village_head"


def test_a_rule_for_a_post_that_nobody_holds_is_told(draft: Campaign, as_: LogIn) -> None:
    assert answers.finds(draft) == dict.fromkeys(POSTS, 0) | {
        "village_head": 1,  # Lan
        "village_deputy": 1,  # Hong
        "linked_cadre": 2,
        "township_head": 1,
        "township_staff": 1,
        "department_deputy": 1,
        "head_above": 2,
        "staff_above": 2,
    }
    form = as_("ada").get(page(draft)).context["form"]
    nobody = {label: idle for label, _fields, idle in form.rows}
    assert [len(idle) for idle in nobody.values()] == [1, 0, 0, 1]  # heads of departments; leaders beside the head


# ---- By hand ------------------------------------------------------------------------------------------------------


def test_vacancies_come_first_and_names_filter(draft: Campaign, as_: LogIn) -> None:
    answer = as_("ada").get(page(draft))
    assert [row.code for row in answer.context["page"]] == [WEST, LAKE, EAST, WILLOW, MAPLE, BUREAU]
    assert answer.context["vacant"] == 2
    assert list(shown(as_("ada"), draft, q="湖")) == [LAKE]
    assert list(shown(as_("ada"), draft, q=WILLOW)) == [WILLOW]
    for odd in ("%", "_", "\\", "'", "\0", "x" * 300):
        assert shown(as_("ada"), draft, q=odd) == ({} if odd != "\0" else shown(as_("ada"), draft))
    assert as_("ada").get(page(draft), {"page": "999"}).status_code == 200


def test_somebody_is_named_by_hand_in_a_draft_and_the_launch_keeps_it(draft: Campaign, cast: Cast, as_: LogIn) -> None:
    ada = as_("ada")
    for kind, name in (("first", "mei"), ("direct", "su")):
        sent = {"kind": kind, "cadre": cast[name].pk}
        assert ada.post(page(draft, LAKE), sent)["Location"] == page(draft, LAKE)
    assert shown(ada, draft)[LAKE] == {"first": "Mei*", "direct": "Su*"}
    assert (LAKE in dict(_missing(draft)), WEST in dict(_missing(draft))) == (False, True)
    launch.go_live(draft, on=timezone.localdate())
    assert held(draft, LAKE) == {"first": "Mei", "direct": "Su"}
    assert sync.plan(draft).is_empty
    notes = Change.objects.filter(campaign=draft, unit=LAKE)
    assert [note.by for note in notes] == [cast["ada"]] * 2
    assert "Lake" not in ada.get(f"/campaigns/{draft.pk}/").text
    vacant = {one.code for one in ada.get(f"/campaigns/{draft.pk}/").context["vacancies"]}
    assert vacant == {WEST}


def _missing(campaign: Campaign) -> list[tuple[str, list[str]]]:
    return [(unit.code, kinds) for unit, kinds in answers.vacancies(campaign, on=timezone.localdate())]


def test_by_the_rule_again(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    ada = as_("ada")
    ada.post(page(campaign, WILLOW), {"kind": "first", "cadre": cast["bao"].pk})
    assert held(campaign, WILLOW)["first"] == "Bao"
    ada.post(page(campaign, WILLOW), {"kind": "first", "cadre": "rule"})
    assert held(campaign, WILLOW)["first"] == "Lan"
    assert not campaign.responsibilities.filter(by_hand=True).exists()
    last = Change.objects.filter(unit=WILLOW)[0]
    assert [before for before, _after in last.fields.values()] == ["Bao"]
    ada.post(page(campaign, WILLOW), {"kind": "first", "cadre": "rule"})  # so already
    assert Change.objects.filter(unit=WILLOW).count() == 2


def test_who_is_named_by_hand_holds_a_post_at_the_unit_or_above_it(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    before = held(campaign, WILLOW)
    for stranger in (cast["hong"].pk, cast["chen"].pk, cast["nobody"].pk, "x", "", "9" * 30, "1\0"):
        answer = as_("ada").post(page(campaign, WILLOW), {"kind": "first", "cadre": stranger})
        assert answer.status_code == 422
        assert "complaint" in answer.text
    assert as_("ada").post(page(campaign, WILLOW), {"kind": "king", "cadre": cast["lan"].pk}).status_code == 422
    assert held(campaign, WILLOW) == before
    for unit in (OTHER_VILLAGE, "999999", "51"):
        assert as_("ada").get(page(campaign, unit)).status_code == 404
        assert as_("ada").post(page(campaign, unit), {}).status_code == 404


def test_a_new_person_is_added_and_named_on_the_spot(draft: Campaign, as_: LogIn) -> None:
    sent = {
        "name": "陆川",
        "phone": "13900000002",
        "role": Role.VILLAGE_CADRE,
        "title": "",
        "kinds": ["first", "direct"],
    }
    assert as_("ada").post(page(draft, LAKE), sent).status_code == 302
    person = Cadre.objects.get(phone="13900000002")
    assert (person.posts.get().unit_id, person.has_usable_password()) == (LAKE, False)
    assert shown(as_("ada"), draft)[LAKE] == {"first": "陆川*", "direct": "陆川*"}
    for wrong in ({"phone": "123"}, {"name": ""}, {"role": Role.COUNTY_LEADER}, {"kinds": []}, {"kinds": ["x"]}, {}):
        again = as_("ada").post(page(draft, LAKE), sent | wrong)
        assert again.status_code == 422
    assert Post.objects.filter(unit=LAKE).count() == 1


def test_who_was_named_by_hand_and_left_is_a_vacancy(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    as_("ada").post(page(campaign, WILLOW), {"kind": "first", "cadre": cast["bao"].pk})
    bao = cast["bao"].posts.get()
    for day, fine in ((timezone.localdate() + timedelta(days=1), True), (timezone.localdate(), False)):
        Post.objects.filter(pk=bao.pk).update(until=day)
        office = Responsibility.objects.in_office(timezone.localdate()).filter(unit=WILLOW, kind="first")
        assert office.exists() is fine
        assert (WILLOW in dict(_missing(campaign))) is not fine
        assert ("first" in shown(as_("ada"), campaign)[WILLOW]) is fine
    assert shown(as_("ada"), campaign)[WILLOW]["direct"] == "Lan"


def reminded(on: date) -> set[int | None]:
    """Who is told of tasks of their own on a day."""
    noon = timezone.make_aware(datetime.combine(on, time(12)))
    return {message.cadre for message in outbox.planned(on, noon) if message.path == "/tasks/"}


def test_who_is_named_by_hand_from_above_is_reminded_while_in_office(
    campaign: Campaign, cast: Cast, as_: LogIn
) -> None:
    today = on_or_after(timezone.localdate())
    Task.objects.filter(campaign=campaign, unit=LAKE).update(due_on=today)
    assert not reminded(today)
    as_("ada").post(page(campaign, LAKE), {"kind": "direct", "cadre": cast["mei"].pk})
    assert reminded(today) == {cast["mei"].pk}
    cast["mei"].posts.update(until=today)
    assert not reminded(today)


def test_whom_a_rule_finds_above_is_in_office_and_reminded(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    today = on_or_after(timezone.localdate())
    as_("ada").post(page(campaign), rule(campaign, direct=["staff_above"]))
    sync.sync(campaign, by=cast["ada"])
    assert held(campaign, MAPLE)["direct"] == "Bao"
    assert Responsibility.objects.in_office(today).filter(unit=MAPLE, kind="direct", cadre=cast["bao"]).exists()
    Task.objects.filter(campaign=campaign, unit=MAPLE).update(due_on=today)
    assert cast["bao"].pk in reminded(today)


def test_a_closed_campaign_keeps_who_answered(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    Campaign.objects.update(status="closed", closed_by=cast["ada"], closed_at=timezone.now())
    for address, sent in (
        (page(campaign), rule(campaign)),
        (page(campaign, WILLOW), {"kind": "first", "cadre": "rule"}),
    ):
        assert as_("ada").post(address, sent).status_code == 403
        assert as_("ada").get(address).status_code == 403
        assert as_("lan").get(address).status_code == 403
        assert as_("chen").get(address).status_code == 404


# ---- The letter ---------------------------------------------------------------------------------------------------


def test_the_letter_names_who_answers_and_what_is_owed(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    address = f"/campaigns/{campaign.pk}/units/{WILLOW}/letter/"
    task = factories.task(campaign, "v-2")
    Task.objects.filter(pk=task.pk).update(due_on=task.due_on - timedelta(days=1))
    letter = as_("lan").get(address)
    assert [(cadre.name if cadre else None) for _kind, cadre in letter.context["answers"]] == [
        "Lan",
        "Lan",
        "Lin",
        "Tang",
    ]
    owed = {item.number: day for item, day in letter.context["owed"]}
    assert owed == {one.item.number: one.due_on for one in Task.objects.filter(unit=WILLOW).select_related("item")}
    assert "第2项" in letter.text or "v-2" in letter.text
    cast["lin"].posts.update(until=timezone.localdate())
    assert dict(as_("ada").get(address).context["answers"]).popitem()[1].name == "Tang"
    assert [cadre is None for _kind, cadre in as_("ada").get(address).context["answers"]] == [False, False, True, False]
    assert as_("chen").get(address).status_code == as_("hong").get(address).status_code == 404
    assert address in as_("lan").get(f"/campaigns/{campaign.pk}/units/{WILLOW}/").text


def test_the_letter_of_a_draft_is_that_of_the_launch(draft: Campaign, cast: Cast, as_: LogIn) -> None:
    as_("ada").post(page(draft, WILLOW), {"kind": "linked", "cadre": cast["bao"].pk})
    address = f"/campaigns/{draft.pk}/units/{WILLOW}/letter/"
    assert as_("lan").get(address).status_code == 404

    def said() -> tuple[object, object]:
        letter = as_("ada").get(address)
        return letter.context["answers"], letter.context["owed"]

    before = said()
    launch.go_live(draft, on=timezone.localdate())
    assert said() == before


# ---- Size ---------------------------------------------------------------------------------------------------------


def test_the_pages_cost_the_same_whatever_the_size(draft: Campaign, cast: Cast, as_: LogIn) -> None:
    ada = as_("ada")
    addresses = [page(draft), page(draft, EAST), f"/campaigns/{draft.pk}/units/{EAST}/letter/"]

    few = queries(ada, addresses)
    Unit.objects.bulk_create(
        [Unit(code=f"{EAST}{n}", name=f"第{n}村村民委员会", parent_id=EAST) for n in range(300, 500)]
    )
    for n in range(30):
        factories.cadre(f"n{n}", Role.VILLAGE_CADRE, f"{EAST}{300 + n}", principal=True)
    Item.objects.bulk_create(
        [Item(campaign=draft, number=f"x-{n}", title="多", owed_by=["township"], due_on=draft.inspects_on)
         for n in range(60)]
    )  # fmt: skip
    assert queries(ada, addresses) == few
    assert max(few) <= 15
    assert len(ada.get(page(draft)).context["page"].object_list) == 60
