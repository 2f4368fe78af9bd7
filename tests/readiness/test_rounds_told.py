"""Who hears of a round: its inspectors that they go, the unit's cadres of what does not hold; nobody is warned."""

import uuid
from datetime import date, datetime, timedelta

import pytest
from django.utils import timezone

from checklists import rounds
from checklists.models import Campaign, Check, Draw, Round, Task
from checklists.rounds import relief
from readiness.models import Notice
from readiness.reminders import outbox
from tests import factories
from tests.factories import EAST, WEST, WILLOW
from villages.access import Role
from villages.models import Cadre, Post, Unit

pytestmark = pytest.mark.django_db
Cast = dict[str, Cadre]


@pytest.fixture
def visit(campaign: Campaign, cast: Cast) -> Round:
    """Wang of another township and Ada herself go to Willow, says Ada."""
    Task.objects.update(due_on=timezone.localdate() + timedelta(days=90))
    cast["wang"] = factories.cadre("Wang", Role.TOWNSHIP_LEADER, WEST)
    two = [cast["wang"], cast["ada"]]
    place = Unit.objects.get(pk=WILLOW)
    return rounds.plan(campaign, by=cast["ada"], unit=place, rhythm="patrol", why="还没有去过", inspectors=two)


def told(hour: int = 12) -> dict[str, str]:
    """Who has news in the inbox by then, and what they say."""
    midnight = timezone.make_aware(datetime.combine(timezone.localdate(), datetime.min.time()))
    outbox.write_news(midnight + timedelta(hours=hour))
    news = Notice.objects.filter(rule__startswith="news").select_related("cadre")
    said: dict[str, str] = {}
    for one in news.order_by("pk"):
        said[one.cadre.username] = said.get(one.cadre.username, "") + one.body
    return said


def see(visit: Round, cast: Cast, number: str) -> None:
    task = factories.task(visit.campaign, number)
    rounds.record(visit, by=cast["wang"], event=uuid.uuid4(), task=task.pk, result="fails", remark="台账没有签字")


def test_inspectors_hear_of_a_round_wherever_they_work_and_the_unit_does_not(visit: Round, cast: Cast) -> None:
    said = told()
    assert set(said) == {"wang"}, "who sends themselves need not be told"
    assert "Ada" in said["wang"]
    assert "还没有去过" in said["wang"]
    assert Notice.objects.get(cadre=cast["wang"], rule__startswith="news").path == "/rounds/"
    assert told() == said, "once"
    Round.objects.update(on=date(2026, 12, 3), why="")
    Notice.objects.all().delete()
    assert told()["wang"].endswith("派您12月3日去检查")


@pytest.mark.parametrize("what", ["it is over", "the inspector left"])
def test_what_is_past_is_not_told(what: str, visit: Round, cast: Cast) -> None:
    if what == "it is over":
        rounds.finish(visit, by=cast["ada"], left=3)
    else:
        Post.objects.filter(cadre=cast["wang"]).update(until=timezone.localdate())
    assert told() == {}


def test_a_round_that_another_draw_replaced_is_not_told_unless_it_was_begun(visit: Round, cast: Cast) -> None:
    now = timezone.now()
    fields = {"campaign": visit.campaign, "among_id": EAST, "frozen": "", "secret": "", "commitment": "",
              "recipe": {}, "announced_by": cast["ada"], "announced_at": now,
              "number_one": "1", "number_one_by": cast["su"], "number_two": "2", "number_two_by": cast["mei"],
              "drawn_at": now}  # fmt: skip
    first = Draw.objects.create(number=1, title="一", **fields)
    Round.objects.filter(pk=visit.pk).update(draw=first)
    Draw.objects.create(number=2, title="二", instead_of=first, reason="重抽", **fields)
    assert "wang" not in told()
    visit.refresh_from_db()
    Check.objects.create(
        id=uuid.uuid4(), round=visit, task=factories.task(visit.campaign, "v-1"), result="holds", by=cast["wang"],
        was="open",
    )  # fmt: skip
    assert "还没有去过" in told()["wang"]


def test_who_goes_instead_hears_of_it_and_so_does_who_goes_no_longer(visit: Round, cast: Cast) -> None:
    """As late as that is, and nobody twice: neither who stays, nor who hears again with the next one."""
    Round.objects.filter(pk=visit.pk).update(made_at=timezone.now() - timedelta(days=60))
    assert told() == {}

    def others(by: str, *names: str, reason: str) -> None:
        was = list(visit.inspectors.values_list("pk", flat=True))
        people = [cast[name] for name in names]
        relief.relieve(visit, by=cast[by], event=uuid.uuid4(), was=was, people=people, reason=reason)

    others("su", "ada", "mei", reason="住院了")
    said = told()
    assert set(said) == {"mei", "wang"}
    assert "还没有去过" in said["mei"]
    assert "您不用再去：住院了" in said["wang"]
    others("su", "ada", "wang", reason="出院了")
    assert "您不用再去：出院了" in told(14)["mei"]
    assert told(14)["wang"].count("还没有去过") == 1
    assert "ada" not in told(14)
    assert {one.path for one in Notice.objects.all()} == {"/rounds/"}
    Post.objects.filter(cadre=cast["mei"]).update(until=timezone.localdate())
    others("ada", "ada", reason="够了")
    assert "够了" in told(15)["wang"]


def test_the_unit_hears_once_of_what_does_not_hold_whether_it_was_claimed_or_not(visit: Round, cast: Cast) -> None:
    claimed = factories.task(visit.campaign, "v-1")
    Task.objects.filter(pk=claimed.pk).update(state="done", done_by=cast["lan"], done_at=timezone.now())
    see(visit, cast, "v-1")
    see(visit, cast, "v-2")
    said = told()["lan"]
    assert said.count("台账没有签字") == 2
    assert said.count("第v-1项") == said.count("第v-2项") == 1
    assert EAST not in said
