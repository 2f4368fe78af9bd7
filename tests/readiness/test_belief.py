"""How much of the claims to believe: the intervals against known truths, and what a board says of drawn checks."""

import csv
import io
import os
import random
import threading
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from math import comb, inf

import pytest
from django.db import OperationalError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from checklists import ticks
from checklists.models import Campaign, Check, Draw, Pulse, Round, Task
from readiness.boards import intervals
from readiness.boards.belief import Belief
from readiness.boards.intervals import Looked, chances, estimate, needed
from readiness.models import WallPass
from tests import factories
from tests.factories import COUNTY, EAST, LAKE, MAPLE, OTHER_COUNTY, WEST, WILLOW, line
from tests.readiness.believing import SCENARIOS, draw, look, trials
from villages.models import Cadre, Unit

As = Callable[[str], Client]
Cast = dict[str, Cadre]
FULL = os.environ.get("BELIEF") == "full"

# --- known truths -----------------------------------------------------------------------------------------


def test_the_interval_covers_the_truth_in_94_to_97_of_100_campaigns_and_the_naive_ones_do_not(
    tell: Callable[[str], None],
) -> None:
    """2,002 campaigns with BELIEF=full, 312 else (20 seconds, 3 seconds)."""
    each = 154 if FULL else 24
    covered, all_of, wide = [0, 0, 0], 0, 0.0
    for scenario in SCENARIOS:
        here, width = [0, 0, 0], 0.0
        for trial in trials(scenario, each, seed=20261129):
            ways = [(trial.found.low, trial.found.high), trial.wald, trial.wilson]
            for n, (low, high) in enumerate(ways):
                here[n] += low - 1e-9 <= trial.truth <= high + 1e-9
            width += trial.found.high - trial.found.low
        shares = [f"{100 * n / each:.1f}" for n in here]
        tell(f"{scenario.name}: {shares[0]} %, Wald {shares[1]}, Wilson {shares[2]}, width {100 * width / each:.1f}")
        assert here[0] >= (0.9 if FULL else 0.8) * each, scenario.name
        covered = [a + b for a, b in zip(covered, here, strict=True)]
        all_of, wide = all_of + each, wide + width
    ours, wald, wilson = (100 * n / all_of for n in covered)
    tell(f"in all {all_of}: {ours:.1f} %, Wald {wald:.1f}, Wilson {wilson:.1f}, width {100 * wide / all_of:.1f}")
    # The small version: three standard errors of its own on either side.
    assert (94 if FULL else 92) <= ours <= (97 if FULL else 99)
    assert max(wald, wilson) < 85


def test_a_chance_of_being_drawn_is_how_often_it_is_drawn() -> None:
    chance = random.Random(7)
    lots = [1.0] * 30 + [3.0] * 10
    counted = [0] * len(lots)
    for _ in range(4000):
        order = sorted(range(len(lots)), key=lambda n: -(chance.random() ** (1 / lots[n])))
        for n in order[:12]:
            counted[n] += 1
    told = chances(lots, 12)
    assert sum(told) == pytest.approx(12)
    for group in (slice(0, 30), slice(30, 40)):
        mean = sum(counted[group]) / 4000 / len(counted[group])
        assert mean == pytest.approx(sum(told[group]) / len(told[group]), abs=0.02)
    assert chances([1.0, 1.0, 1.0, 1.0], 1) == [0.25] * 4
    assert chances([1.0, 2.0], 2) == [1.0, 1.0]


@pytest.mark.parametrize("n", [1, 5, 30, 120])
def test_the_exact_interval_is_the_one_that_the_binomial_gives(n: int) -> None:
    def at_least(k: int, p: float) -> float:
        return sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))

    for held in {0, n // 3, n - 1, n}:
        low, high = intervals.exact(held, n)
        assert (low == 0) if held == 0 else at_least(held, low) == pytest.approx(0.025, abs=1e-7)
        assert (high == 1) if held == n else at_least(held + 1, high) == pytest.approx(0.975, abs=1e-7)


def test_quantiles_are_those_of_the_tables() -> None:
    for freedom, t in {1: 12.706205, 2: 4.302653, 4: 2.776445, 10: 2.228139, 30: 2.042272, 1000: 1.962339}.items():
        assert intervals.t_quantile(freedom) == pytest.approx(t, abs=1e-5)
    # Beta quantiles that scipy.special.betaincinv 1.17.1 gives.
    for p, a, b, x in [
        (0.025, 107, 14, 0.8218725616110573),
        (0.975, 0.3, 2.7, 0.5487264731126349),
        (0.025, 12000.5, 340.25, 0.9694681745439819),
    ]:
        assert intervals.quantile(p, a, b) == pytest.approx(x, abs=1e-9)


def village(seen: int, held: int, *, claimed: int = 12, chance: float = 0.1, stratum: str = "") -> Looked:
    return Looked(stratum, claimed, [(n, n < held) for n in range(seen)], chance)


def test_all_hold_is_not_a_hundred_percent_and_all_fail_is_not_nought() -> None:
    good = estimate([village(12, 12)] * 10, {"": 1200}, 0)
    bad = estimate([village(12, 0)] * 10, {"": 1200}, 0)
    assert good is not None
    assert bad is not None
    assert (good.share, good.high) == (1, 1)
    assert 0.85 < good.low < 0.97
    assert (bad.share, bad.low) == (0, 0)
    assert bad.high == pytest.approx(1 - good.low)


def test_nothing_looked_at_gives_nothing_and_everything_gives_the_truth() -> None:
    assert estimate([], {}, 0) is None
    assert estimate([village(0, 0)], {"": 12}, 0) is None
    found = estimate([village(12, 9, chance=1), village(12, 12, chance=1)], {"": 24}, 0)
    assert found is not None
    assert (found.low, found.share, found.high, found.size) == (0.875, 0.875, 0.875, inf)


def test_claims_that_are_alike_within_villages_say_less_than_as_many_that_are_not() -> None:
    mixed = estimate([village(12, 9)] * 20, {"": 2400}, 0)
    split = estimate([village(12, 12), village(12, 12), village(12, 12), village(12, 0)] * 5, {"": 2400}, 0)
    assert mixed is not None
    assert split is not None
    assert (mixed.seen, mixed.held) == (split.seen, split.held)
    assert split.off > 1.5 * mixed.off


def test_the_same_few_items_for_all_say_little_of_the_others() -> None:
    half = [Looked("", 12, [(n, n != 3) for n in range(6)], 0.1)] * 20
    drawn_for_all = estimate(half, {"": 2400}, 12)
    each_for_itself = estimate(half, {"": 2400}, 6)
    assert drawn_for_all is not None
    assert each_for_itself is not None
    assert drawn_for_all.off > 2 * each_for_itself.off
    assert needed(drawn_for_all, units=200, each=6) is None  # more villages would not help


def test_a_unit_that_had_more_lots_counts_less() -> None:
    found = estimate([village(10, 0, chance=0.6)] * 3 + [village(10, 10, chance=0.1)] * 3, {"": 1000}, 0)
    assert found is not None
    assert found.share == pytest.approx(6 / 7)


def test_how_many_more_would_narrow_it_is_enough_when_they_have_been_looked_at() -> None:
    few = [village(12, held, chance=0.02) for held in (12, 11, 9, 12, 10, 8, 12, 11)]
    found = estimate(few, {"": 4800}, 0)
    more = needed(found, units=400, each=12)
    assert more is not None
    assert 20 < more < 200
    many = [village(12, few[n % 8].holding, chance=(8 + more) / 400) for n in range(8 + more)]
    then = estimate(many, {"": 4800}, 0)
    assert then is not None
    assert 0.035 < then.off <= 0.052
    assert needed(then, units=400, each=12) in range(4)
    # Before anything was looked at it is a guess, and a village that was wholly looked at needs no more.
    assert needed(None, units=400, each=12) in range(40, 200)
    assert needed(estimate([village(12, 9, chance=1)], {"": 12}, 0), units=1, each=12) == 0


# --- on a board -------------------------------------------------------------------------------------------


VILLAGES = [f"{EAST}{n}" for n in range(211, 225)]
WESTERN = [f"{WEST}{n}" for n in range(211, 221)]


@pytest.fixture
def county(cast: Cast) -> Campaign:
    """Two townships of 16 and 11 villages; everything is claimed, and nothing was drawn."""
    factories.units({code: f"{code[-3:]}村村民委员会" for code in (*VILLAGES, *WESTERN)})
    items = [line(f"a-{n}", points=0) for n in range(10)]
    campaign = factories.campaign(on=timezone.localdate(), of=factories.template("drawn", items))
    Task.objects.update(state="done", done_by=cast["lan"], done_at=timezone.now())
    return campaign


def in_groups(*townships: str) -> dict[str, str]:
    codes = Unit.objects.filter(kind="village", code__startswith=COUNTY).values_list("code", flat=True)
    return {code: code[:9] for code in codes if code.startswith(townships or COUNTY)}


def send(drawn: Draw, by: Cadre, unit: str) -> Round:
    """The round of a unit that was drawn."""
    sent = {"campaign": drawn.campaign, "unit_id": unit, "draw": drawn}
    return Round.objects.get_or_create(**sent, defaults={"rhythm": "patrol", "made_by": by})[0]


def visit(drawn: Draw, by: Cadre, unit: str, fails: int = 0) -> None:
    """Looks at all ten claims of a unit; so many do not hold."""
    there = send(drawn, by, unit)
    tasks = Task.objects.filter(campaign=drawn.campaign, unit=unit).order_by("pk")
    Check.objects.bulk_create(
        [
            Check(id=uuid.uuid4(), round=there, task=task, by=by, was=task.state, **seen(n >= fails))
            for n, task in enumerate(tasks)
        ]
    )


def seen(holds: bool) -> dict[str, str]:
    return {"result": "holds"} if holds else {"result": "fails", "remark": "没有做到"}


def believed(client: Client, campaign: Campaign, query: str = "") -> Belief:
    found: Belief = client.get(f"/campaigns/{campaign.pk}/?{query}").context["belief"].total
    return found


def test_without_a_draw_nobody_can_tell_and_the_board_says_how_much_to_look_at(county: Campaign, as_: As) -> None:
    page = as_("mei").get(f"/campaigns/{county.pk}/")
    of = page.context["belief"].total
    assert (of.estimate, of.units, of.claimed, of.only_villages) == (None, 27, 270, True)
    assert "还没有可用的抽查结果，说不准" in page.content.decode()
    assert f"再查{of.more}个村（约{of.more * 10}项）" in page.content.decode()


def test_the_board_says_what_was_claimed_what_held_and_what_to_count_on(county: Campaign, cast: Cast, as_: As) -> None:
    drawn = draw(county, (cast["su"], cast["ada"]), in_groups())
    for n, unit in enumerate([*VILLAGES[:6], *WESTERN[:6]]):
        visit(drawn, cast["su"], unit, fails=(1, 0, 2)[n % 3])
    page = as_("mei").get(f"/campaigns/{county.pk}/")
    of, words = page.context["belief"].total, page.content.decode()
    assert of.estimate.seen == 120
    assert of.estimate.held == 108
    assert of.is_known
    assert of.low_percent < 90 < of.high_percent
    told = f"报完成的抽查120项，属实108项；12个抽中单位已查12个；可信{of.low_percent}%–{of.high_percent}%"
    assert told in words
    assert f"比报的少{of.gap_low}到{of.gap_high}个百分点" in words
    assert page.context["board"].total.done == 270  # claimed and verified stay as they are
    assert "含已核实" not in words + as_("mei").get(f"/campaigns/{county.pk}/?show=belief").content.decode()
    wall = as_("mei").get(f"/campaigns/{county.pk}/wall/").content.decode()
    assert told in wall
    english = as_("mei")
    english.cookies["django_language"] = "en"
    assert "108 of 120 claims drawn held" in english.get(f"/campaigns/{county.pk}/").content.decode()


def test_each_township_and_each_draw_has_its_line_and_its_file(county: Campaign, cast: Cast, as_: As) -> None:
    first = draw(county, (cast["su"], cast["ada"]), in_groups(EAST), among=EAST, title="东镇")
    second = draw(county, (cast["su"], cast["ada"]), in_groups(WEST), among=WEST, title="西镇")
    for unit in VILLAGES[:8]:
        visit(first, cast["su"], unit)
    for unit in WESTERN[:8]:
        visit(second, cast["su"], unit, fails=6)
    page = as_("mei").get(f"/campaigns/{county.pk}/?show=belief")
    rows = {row.code: row for row in page.context["belief"].rows}
    assert rows[EAST].low_percent > 85
    assert rows[WEST].high_percent < 60
    assert rows[WEST].gap_low >= 40
    total = page.context["belief"].total
    assert rows[WEST].estimate.share < total.estimate.share < rows[EAST].estimate.share
    # 160 claims of 270 lie in the east: each township counts as it claims, not as it was visited.
    assert total.estimate.share == pytest.approx((160 * 1 + 110 * 0.4) / 270)
    assert [of.name for of in page.context["belief"].draws] == ["1 东镇", "2 西镇"]
    address = f"/campaigns/{county.pk}/table/?show=belief"
    table = list(csv.reader(io.StringIO(as_("mei").get(address).content.decode("utf-8-sig"))))
    assert [row[0] for row in table[1:]] == ["合计", "西镇", "东镇", "1 东镇", "2 西镇"] or len(table) == 6
    assert table[0][2:9] == ["应办", "核实", "自报待核实", "抽中单位", "查过的单位", "抽到并查过", "属实"]
    assert table[1][2:9] == ["270", "0", "270", "16", "16", "160", "112"]
    assert {row[7] for row in table[1:]} == {"160", "80"}
    # Each figure opens the tasks behind it.
    tasks = as_("mei").get(f"/campaigns/{county.pk}/tasks/?show=unfounded&under={WEST}")
    assert tasks.context["page"].paginator.count == 48
    assert as_("mei").get(f"/campaigns/{county.pk}/tasks/?show=drawn").context["page"].paginator.count == 160


def test_a_township_sees_its_own_and_nobody_sees_more(county: Campaign, cast: Cast, as_: As) -> None:
    drawn = draw(county, (cast["su"], cast["ada"]), in_groups())
    for unit in (*VILLAGES[:6], *WESTERN[:6]):
        visit(drawn, cast["su"], unit, fails=1)
    mine = believed(as_("bao"), county)
    assert mine.estimate is not None
    assert (mine.estimate.units, mine.estimate.seen) == (6, 60)
    assert believed(as_("mei"), county, f"unit={EAST}") == mine
    lan = believed(as_("lan"), county)
    assert (lan.estimate, lan.unseen) == (None, 0)
    tasks = as_("lan").get(f"/campaigns/{county.pk}/tasks/?show=drawn")
    assert tasks.context["page"].paginator.count == 0
    assert as_("chen").get(f"/campaigns/{county.pk}/?show=belief").status_code == 404


def test_too_few_is_said_and_what_would_be_enough(county: Campaign, cast: Cast, as_: As) -> None:
    drawn = draw(county, (cast["su"], cast["ada"]), in_groups())
    visit(drawn, cast["su"], WILLOW, fails=1)
    page = as_("mei").get(f"/campaigns/{county.pk}/")
    of = page.context["belief"].total
    assert not of.is_known
    assert of.more
    assert "抽查10项，属实9项；1个抽中单位已查1个；查得太少，说不准" in page.content.decode()
    assert f"再查{of.more}个村（约{of.more * 10}项）" in page.content.decode()
    # One unit of which everything was seen is known, whatever is not known of the others.
    row = next(
        row
        for row in as_("mei").get(f"/campaigns/{county.pk}/?unit={EAST}&show=belief").context["belief"].rows
        if row.code == WILLOW
    )
    assert row.is_known
    assert row.words == "报完成的抽查10项，属实9项；1个抽中单位已查1个；全部查过了"


@pytest.mark.parametrize(
    ("visited", "left", "told"),
    [
        (24, 6, ""),
        (22, 8, "抽中的还没查够，说不准"),
        (0, 8, "抽中的还没去查，说不准"),
    ],
)
def test_drawn_units_that_nobody_visited_are_counted_as_drawn_and_below_four_in_five_nothing_is_told(
    county: Campaign, cast: Cast, as_: As, visited: int, left: int, told: str
) -> None:
    """Also those that another draw took back; one that claims nothing is neither."""
    more = {f"{WEST}{n}": f"{n}村村民委员会" for n in range(301, 311)}
    factories.units(more)
    factories.launch(county.template, county.host, inspects_on=county.inspects_on, on=timezone.localdate())
    Task.objects.filter(state="open").update(state="done", done_by=cast["lan"], done_at=timezone.now())
    drawn = draw(county, (cast["su"], cast["ada"]), in_groups())
    codes = [*VILLAGES, *WESTERN, *more]
    for unit in codes[:visited]:
        visit(drawn, cast["su"], unit, fails=1)
    for unit in codes[visited : visited + left]:
        send(drawn, cast["su"], unit)
    send(drawn, cast["su"], codes[-1])
    Task.objects.filter(unit=codes[-1]).update(state="open", done_by=None, done_at=None)
    if visited:
        draw(county, (cast["su"], cast["ada"]), in_groups(), instead_of=drawn, reason="重抽")
    address = f"/campaigns/{county.pk}/"
    of, said = believed(as_("mei"), county), f"{visited + left}个抽中单位已查{visited}个"
    assert (of.reach.drawn, of.reach.visited, of.untold) == (visited + left, visited, told)
    pages = [address, f"{address}?show=belief", f"{address}wall/", f"{address}table/?show=belief"]
    assert [said in as_("mei").get(page).content.decode("utf-8-sig") for page in pages] == [True] * 4
    for page in pages if told else []:
        shown = as_("mei").get(page).content.decode("utf-8-sig")
        assert told in shown
        assert "可信0%" not in shown and f"可信{of.low_percent}%–" not in shown


def test_a_new_draw_under_way_is_named_and_takes_nothing_from_what_was_told(
    county: Campaign, cast: Cast, as_: As
) -> None:
    done = draw(county, (cast["su"], cast["ada"]), in_groups())
    for unit in (*VILLAGES[:6], *WESTERN[:6]):
        visit(done, cast["su"], unit, fails=1)
    before = believed(as_("mei"), county)
    begun = draw(county, (cast["su"], cast["ada"]), in_groups(), title="第二次")
    visit(begun, cast["su"], VILLAGES[6], fails=9)
    for unit in (VILLAGES[7], WESTERN[6]):
        send(begun, cast["su"], unit)
    now = believed(as_("mei"), county)
    assert (now.estimate, now.reach, now.is_known) == (before.estimate, before.reach, True)
    assert now.under_way_words == ["第2次抽查还没有计入：3个抽中单位已查1个。"]
    for unit in (VILLAGES[7], WESTERN[6]):
        visit(begun, cast["su"], unit)
    now = believed(as_("mei"), county)
    assert (now.reach.drawn, now.reach.visited, now.under_way) == (15, 15, ())
    # A draw that was replaced before anybody began is none.
    gone = draw(county, (cast["su"], cast["ada"]), in_groups())
    send(gone, cast["su"], VILLAGES[9])
    assert [number for number, _ in believed(as_("mei"), county).under_way] == [3]
    draw(county, (cast["su"], cast["ada"]), in_groups(), instead_of=gone, reason="名单有误")
    assert believed(as_("mei"), county).under_way == ()


def test_no_board_tells_of_a_visit_to_come(county: Campaign, cast: Cast, as_: As) -> None:
    """A draw says where it sends nobody to whom the rounds say nothing: no figure, no table, no wall does either."""
    token, board = "t" * 43, f"/campaigns/{county.pk}/"
    WallPass.objects.create(
        campaign=county, unit_id=COUNTY, name="大厅", digest=WallPass.digest_of(token), made_by=cast["ada"]
    )
    kept = ("lan", "bao", "tang", "an")
    tag = as_("mei").get(board).headers["ETag"]

    def told(who: str) -> tuple[object, ...]:
        shown = as_(who).get(f"{board}?show=belief").context["belief"]
        table = as_(who).get(f"{board}table/?show=belief").content.decode("utf-8-sig")
        return shown.total.reach, shown.total.words, shown.total.untold, shown.rows, shown.draws, table

    before = {who: told(who) for who in kept}
    new = draw(county, (cast["su"], cast["ada"]), in_groups())
    rounds = [send(new, cast["su"], unit) for unit in (VILLAGES[0], VILLAGES[1], WESTERN[0])]
    assert as_("mei").get(board).headers["ETag"] != tag
    for who in kept:
        assert told(who) == before[who], who
        assert believed(as_(who), county).under_way_words == ["第1次抽查正在进行，全部查完后计入。"], who
    wall = Client().get(f"{board}wall/{token}/").content.decode()
    assert "抽中单位已查" not in wall
    assert "抽中的还没查过" not in wall
    assert believed(as_("mei"), county).reach.drawn == 3

    # Once nobody has to go any more, everyone reads it; and an open page hears of it.
    made = as_("lan").get(board).headers["ETag"]
    Round.objects.filter(pk__in=[one.pk for one in rounds]).update(finished_at=timezone.now(), finished_by=cast["su"])
    assert as_("lan").get(board).headers["ETag"] != made
    assert believed(as_("an"), county).reach.drawn == 3


def test_where_much_could_not_be_seen_nothing_is_told(county: Campaign, cast: Cast, as_: As) -> None:
    drawn = draw(county, (cast["su"], cast["ada"]), in_groups())
    for unit in (*VILLAGES[:6], *WESTERN[:6]):
        for n, task in enumerate(Task.objects.filter(unit=unit).order_by("pk")):
            look(task, drawn, cast["su"], "unseen" if n < 2 else "holds")
    of = believed(as_("mei"), county)
    assert (of.unseen, of.untold) == (24, "")
    look(Task.objects.filter(unit=VILLAGES[7])[0], drawn, cast["su"], "unseen")
    of = believed(as_("mei"), county)
    assert (of.unseen, of.reach.drawn, of.reach.visited) == (25, 13, 12)
    assert of.words == "报完成的抽查96项，属实96项；13个抽中单位已查12个；看不到的太多，说不准"


def test_a_group_of_which_nothing_was_drawn_is_not_vouched_for(county: Campaign, cast: Cast, as_: As) -> None:
    drawn = draw(county, (cast["su"], cast["ada"]), in_groups())
    for unit in VILLAGES[:8]:
        visit(drawn, cast["su"], unit)
    page = as_("mei").get(f"/campaigns/{county.pk}/")
    of = page.context["belief"].total
    assert (of.outside, of.outside_percent) == (110, 41)
    assert "110项报完成的（41%）没有抽到，不在其内" in page.content.decode()
    Task.objects.filter(unit__code__startswith=EAST).exclude(unit__in=VILLAGES[:8]).update(
        state="open", done_by=None, done_at=None
    )
    assert not believed(as_("mei"), county).is_known  # most of what is claimed lies elsewhere now


def test_only_drawn_looks_at_claims_count_and_the_last_of_each_task(county: Campaign, cast: Cast, as_: As) -> None:
    su = cast["su"]
    drawn = draw(county, (su, cast["ada"]), in_groups())
    again = draw(county, (su, cast["ada"]), in_groups(), title="再抽")
    one, two, three, four, five = Task.objects.filter(unit=WILLOW).order_by("pk")[:5]
    look(one, drawn, su, "fails", at=timezone.now() - timedelta(days=3))
    look(one, again, su, "holds")
    look(two, drawn, su, "fails", was="open")  # nobody had claimed it
    look(three, drawn, su, "unseen")
    look(four, None, su, "fails")  # a patrol that nobody drew
    look(five, None, su, "fails", rhythm="focus")
    of = believed(as_("mei"), county)
    assert of.estimate is not None
    assert (of.estimate.seen, of.estimate.held, of.unseen) == (1, 1, 1)
    look(three, again, su, "fails")
    of = believed(as_("mei"), county)
    assert of.estimate is not None
    assert (of.estimate.seen, of.estimate.held, of.unseen) == (2, 1, 0)
    assert as_("mei").get(f"/campaigns/{county.pk}/tasks/?show=unfounded").context["page"].paginator.count == 1


def test_what_a_check_sent_back_still_counts_as_having_been_claimed(county: Campaign, cast: Cast, as_: As) -> None:
    drawn = draw(county, (cast["su"], cast["ada"]), in_groups())
    for unit in VILLAGES[:8]:
        visit(drawn, cast["su"], unit, fails=2)
    before = believed(as_("mei"), county)
    Task.objects.filter(checks__result="fails").update(state="returned", done_by=None, done_at=None)
    after = believed(as_("mei"), county)
    assert after.claimed == before.claimed - 16
    assert after.estimate == before.estimate
    assert after.outside == before.outside


def test_a_filter_looks_at_its_items_only_and_a_past_day_says_nothing(county: Campaign, cast: Cast, as_: As) -> None:
    drawn = draw(county, (cast["su"], cast["ada"]), in_groups())
    county.items.filter(number="a-0").update(section="别的")
    for unit in VILLAGES[:6]:
        visit(drawn, cast["su"], unit)
    of = believed(as_("mei"), county, "section=别的")
    assert of.estimate is not None
    assert (of.estimate.seen, of.claimed) == (6, 27)
    Campaign.objects.update(starts_on=timezone.localdate() - timedelta(days=5))
    past = as_("mei").get(f"/campaigns/{county.pk}/?on={timezone.localdate() - timedelta(days=2)}&show=belief")
    assert past.context["belief"] is None
    assert past.context["view"] == "heat"


def test_a_draw_of_before_leaves_units_out_of_the_next_and_both_count_as_one(
    county: Campaign, cast: Cast, as_: As
) -> None:
    first = draw(county, (cast["su"], cast["ada"]), in_groups(EAST), among=EAST)
    for unit in VILLAGES[:4]:
        visit(first, cast["su"], unit)
    rest = {code: group for code, group in in_groups(EAST).items() if code not in VILLAGES[:4]}
    second = draw(county, (cast["su"], cast["ada"]), rest, among=EAST, without=VILLAGES[:4])
    for unit in VILLAGES[4:8]:
        visit(second, cast["su"], unit, fails=5)
    of = believed(as_("bao"), county)
    assert of.estimate is not None
    assert of.estimate.share == pytest.approx(0.75)
    assert (of.estimate.units, of.units, of.outside) == (8, 16, 0)


def test_above_a_county_its_own_draws_count_and_those_of_counties_do_not(cast: Cast) -> None:
    xi = factories.cadre("Xi", "auditor", "51")
    campaign = factories.campaign("51", on=timezone.localdate())
    Task.objects.update(state="done", done_by=cast["lan"], done_at=timezone.now())
    client = Client()
    client.force_login(xi)
    villages = dict.fromkeys((WILLOW, MAPLE, LAKE, factories.OTHER_VILLAGE), "all")
    draw_of_county = draw(campaign, (cast["su"], cast["ada"]), {WILLOW: "all", MAPLE: "all"}, among=COUNTY)
    look(factories.task(campaign, "v-1", WILLOW), draw_of_county, cast["su"], "fails")
    assert believed(client, campaign).estimate is None
    seen = believed(client, campaign, f"unit={COUNTY}").estimate
    assert seen is not None
    assert seen.seen == 1
    province = draw(campaign, (cast["su"], cast["ada"]), villages, among="51")
    for unit in villages:
        for number in ("v-1", "v-2", "v-3"):
            look(factories.task(campaign, number, unit), province, cast["su"])
    of = believed(client, campaign)
    assert of.estimate is not None
    assert (of.estimate.seen, of.estimate.units, of.is_known) == (12, 4, True)
    assert believed(client, campaign, f"unit={OTHER_COUNTY}").estimate is not None


def test_a_check_that_changes_no_task_changes_the_board(county: Campaign, cast: Cast, as_: As) -> None:
    drawn = draw(county, (cast["su"], cast["ada"]), in_groups())
    mei, address = as_("mei"), f"/campaigns/{county.pk}/"
    tag = mei.get(address).headers["ETag"]
    west = as_("mei").get(f"{address}?unit={WEST}").headers["ETag"]
    before = dict(Pulse.objects.values_list("unit", "version"))
    look(factories.task(county, "a-1"), drawn, cast["su"])
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what a commit does
    assert mei.get(address, headers={"If-None-Match": tag}).status_code == 200
    assert mei.get(f"{address}?unit={WEST}", headers={"If-None-Match": west}).status_code == 304
    after = dict(Pulse.objects.values_list("unit", "version"))
    assert {unit: after[unit] - before[unit] for unit in after if after[unit] != before[unit]} == {COUNTY: 1, EAST: 1}


@pytest.mark.parametrize("at_once", [False, True], ids=["at the commit", "control: at once"])
def test_whoever_checks_several_tasks_and_whoever_ticks_do_not_lock_each_other_out(
    committed: None, at_once: bool
) -> None:
    factories.units()
    people = factories.cast()
    campaign = factories.campaign(on=timezone.localdate())
    drawn = draw(campaign, (people["su"], people["ada"]), {WILLOW: "all"})
    first, second = factories.task(campaign, "v-1"), factories.task(campaign, "v-2")
    locked_out: list[str] = []

    def tick() -> None:
        try:
            Task.objects.filter(pk=second.pk).update(state="done", done_by=people["lan"], done_at=timezone.now())
        except OperationalError as error:
            locked_out.append(str(error))
        finally:
            connection.close()

    other = threading.Thread(target=tick)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            if at_once:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            look(first, drawn, people["su"])
            other.start()
            waits, until = False, time.monotonic() + 30
            while other.is_alive() and not waits and time.monotonic() < until:
                cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
                waits = cursor.fetchone()[0]
            list(Task.objects.select_for_update().filter(pk=second.pk))
            look(second, drawn, people["su"], "fails")
    except OperationalError as error:
        locked_out.append(str(error))
    other.join()
    assert ["deadlock" in words for words in locked_out] == ([True] if at_once else [])


@pytest.mark.parametrize("show", ["", "belief"])
def test_a_board_takes_ten_queries_however_many_draws_and_checks_there_are(
    county: Campaign, cast: Cast, as_: As, show: str
) -> None:
    mei, address = as_("mei"), f"/campaigns/{county.pk}/?show={show}"
    mei.get(address)  # notes that the session is in use

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert mei.get(address).status_code == 200
        return len(captured)

    found = [queries()]
    for villages in (1, 8, 12):
        drawn = draw(county, (cast["su"], cast["ada"]), in_groups())
        for unit in VILLAGES[:villages]:
            visit(drawn, cast["su"], unit, fails=1)
        found.append(queries())
    assert found == [9, 10, 10, 10]  # nothing is asked of draws before there is one


def test_the_wall_of_a_pass_says_it_in_one_line_and_names_nobody(county: Campaign, cast: Cast) -> None:
    drawn = draw(county, (cast["su"], cast["ada"]), in_groups())
    for unit in VILLAGES[:6]:
        visit(drawn, cast["su"], unit, fails=1)
    token = "t" * 43
    WallPass.objects.create(
        campaign=county, unit_id=EAST, name="大厅", digest=WallPass.digest_of(token), made_by=cast["ada"]
    )
    page = Client().get(f"/campaigns/{county.pk}/wall/{token}/").content.decode()
    assert "抽查60项，属实54项" in page
    assert cast["su"].name not in page


def test_a_campaign_in_which_nothing_is_claimed(county: Campaign, as_: As) -> None:
    Task.objects.update(state="open", done_by=None, done_at=None)
    page = as_("mei").get(f"/campaigns/{county.pk}/?show=belief")
    of = page.context["belief"].total
    assert (of.claimed, of.more, of.more_words, of.units) == (0, None, "", 0)
    assert page.context["belief"].rows == []
    ticks.record(factories.task(county, "a-1"), by=Cadre.objects.get(name="Lan"), event=uuid.uuid4(), state="done")
    assert len(as_("mei").get(f"/campaigns/{county.pk}/?show=belief").context["belief"].rows) == 1
