"""The demo is one story: made once for all tests of the class, in a transaction that is rolled back."""

from collections import Counter
from datetime import timedelta
from io import StringIO
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import transaction
from django.test import TestCase, override_settings
from django.utils import timezone

from checklists import draws, rounds, ticks
from checklists.models import (
    Campaign,
    Check,
    Draw,
    EvidenceUse,
    Finding,
    FindingEvent,
    Responsibility,
    Round,
    State,
    Task,
    TaskEvent,
    Template,
)
from checklists.workdays import is_workday
from readiness import demo
from readiness.boards import answers, belief, figures, items, live
from readiness.boards.light import Light
from readiness.demo import people
from readiness.models import Notice
from villages.access import Role
from villages.models import Cadre, Post, Unit

ALL = [Unit, Cadre, Post, Template, Campaign, Task, TaskEvent, Responsibility, Notice, Round, Check, Draw, Finding]


def make_demo() -> str:
    said = StringIO()
    with override_settings(DEBUG=True):
        call_command("demo", stdout=said)
    return said.getvalue()


def everything() -> list[tuple[Any, ...]]:
    """All that the demo says, without the database's own numbers."""
    tasks = Task.objects.order_by("unit_id", "item__position").values_list(
        "unit_id",
        "item__number",
        "due_on",
        "state",
        "value",
        "version",
        "done_by__username",
        "verified_by__username",
    )
    events = TaskEvent.objects.order_by("at", "pk").values_list("pk", "at", "by__name", "to_state", "note")
    posts = Post.objects.order_by("cadre__username", "unit", "role").values_list(
        "cadre__username", "cadre__name", "cadre__phone", "unit_id", "role", "title", "principal", "since"
    )
    seen = Check.objects.order_by("pk").values_list("pk", "at", "round__unit", "result", "was", "remark")
    findings = FindingEvent.objects.order_by("at", "pk").values_list("pk", "finding__number", "at", "by__name", "note")
    drawn = Draw.objects.values_list("number", "secret", "number_one", "number_two", "announced_at", "drawn_at")
    proofs = EvidenceUse.objects.order_by("pk").values_list("evidence", "evidence__at", "task__item__number")
    return [*tasks, *events, *posts, *seen, *findings, *drawn, *proofs]


class TestDemo(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        with transaction.atomic():
            make_demo()
            cls.first_time = everything()
            transaction.set_rollback(True)
        cls.said = make_demo()
        cls.campaign = Campaign.objects.get()
        cls.today = timezone.localdate()

    def lights(self, login: str = "leader") -> dict[str, Light]:
        """The light of every cell on the board."""
        user = Cadre.objects.get(username=login)
        at = people.HOST if login == "leader" else None
        board = figures.board(self.campaign, user, at=at, on=self.today)
        return {cell.code: cell.light for row in board.rows for cell in row.cells}

    def test_findings_are_of_many_sorts_and_stand_as_the_verbs_would_leave_them(self) -> None:
        found = list(Finding.objects.filter(campaign=self.campaign))
        assert [one.number for one in found] == list(range(1, len(found) + 1))
        assert len(found) >= 7
        assert {one.state for one in found} >= {"open", "fixed", "closed"}
        assert any(one.came_back for one in found)
        assert any(one.is_overdue(self.today) for one in found)
        assert all(event.at <= timezone.now() for event in FindingEvent.objects.all())
        assert all(one.version == one.events.count() - 1 for one in found)

    def test_same_day_gives_the_same_demo(self) -> None:
        assert everything() == self.first_time

    def test_second_time_refuses_and_changes_nothing(self) -> None:
        before = [model.objects.count() for model in ALL]
        with pytest.raises(CommandError, match="already"):
            make_demo()
        assert [model.objects.count() for model in ALL] == before

    def test_log_ins_hold_their_posts(self) -> None:
        posts = {
            login: set(Post.objects.current(self.today).filter(cadre__username=login).values_list("role", "unit_id"))
            for login in demo.LOGINS
        }
        assert posts == {
            "admin": {(Role.CAMPAIGN_ADMIN, "511504")},
            "leader": {(Role.COUNTY_LEADER, "511504")},
            "town": {(Role.TOWNSHIP_STAFF, people.TOWN)},
            "liaison": {(Role.LINKED, code) for code in people.LIAISON},
            "village": {(Role.VILLAGE_CADRE, people.VILLAGE)},
        }
        assert people.VILLAGE in people.LIAISON
        assert all(code.startswith(people.TOWN) for code in people.LIAISON)
        for login in demo.LOGINS:
            assert self.client.login(username=login, password=demo.PASSWORD)
            assert login in self.said

    def test_nobody_else_can_log_in_or_be_reached(self) -> None:
        others = Cadre.objects.exclude(username__in=demo.LOGINS)
        assert not any(cadre.has_usable_password() for cadre in others)
        assert not Cadre.objects.exclude(email="").exists()
        assert not Cadre.objects.exclude(phone__startswith="100").exists()

    def test_every_post_fits_its_unit(self) -> None:
        for post in Post.objects.select_related("unit"):
            post.clean()

    def test_tallies_do_not_drift(self) -> None:
        call_command("check_tallies", stdout=StringIO())

    def test_board_is_mostly_green_with_some_amber_and_red(self) -> None:
        lights = list(self.lights().values())
        share = {light: lights.count(light) * 100 / len(lights) for light in Light}
        assert 50 <= share[Light.GREEN] <= 70
        assert 18 <= share[Light.AMBER] <= 32
        assert 9 <= share[Light.RED] <= 21

    def test_every_township_is_different(self) -> None:
        user = Cadre.objects.get(username="leader")
        board = figures.board(self.campaign, user, at=people.HOST, on=self.today)
        assert len({row.counts for row in board.rows}) == len(board.rows) == 18

    def test_few_vacancies_are_there_to_see(self) -> None:
        user = Cadre.objects.get(username="admin")
        board = figures.board(self.campaign, user, at=people.HOST, on=self.today)
        found = answers.vacancies(self.campaign, user, board, on=self.today)
        assert len(found) == 6
        assert {people.NOBODY_AT, people.WITHOUT_STAFF} < {vacancy.code for vacancy in found}
        assert [item.number for item in items.of_campaign(self.campaign) if not item.is_owed] == ["d7c-47"]

    def test_each_tick_brings_the_village_one_colour_further(self) -> None:
        user = Cadre.objects.get(username="village")
        mine = Task.objects.owed_by(user)
        overdue = list(mine.overdue(self.today).for_list())
        assert len(overdue) == 2
        assert mine.still_owed().filter(due_on=self.today).count() == 1
        assert not mine.filter(state=State.RETURNED).exists()
        assert mine.filter(state=State.DONE).exists() and mine.filter(state=State.VERIFIED).exists()
        seen = [self.lights("village")[people.VILLAGE]]
        for task in overdue:
            ticks.record(task, by=user, event=uuid4(), state=State.DONE)
            seen.append(self.lights("village")[people.VILLAGE])
        assert seen == [Light.RED, Light.AMBER, Light.GREEN]

    def test_liaison_and_town_find_work(self) -> None:
        liaison, town = Cadre.objects.get(username="liaison"), Cadre.objects.get(username="town")
        assert Task.objects.owed_by(liaison).filter(state=State.DONE).count() >= 3
        assert Task.objects.owed_by(liaison).overdue(self.today).exists()
        assert Task.objects.owed_by(town).overdue(self.today).count() == 1
        assert Task.objects.owed_by(town).still_owed().count() > 5

    def test_every_change_was_one_that_the_rules_allow(self) -> None:
        cadres = Cadre.objects.in_bulk()
        tasks = Task.objects.select_related("item").in_bulk()
        stood: dict[int, Any] = {}
        for event in TaskEvent.objects.order_by("at", "id"):
            task = tasks[event.task_id]
            now = stood.setdefault(
                task.pk,
                SimpleNamespace(
                    unit_id=task.unit_id,
                    state=State.OPEN,
                    done_by_id=None,
                    done_for_id=None,
                    rests_on=[],
                    value=None,
                    version=0,
                    height=task.height,
                ),
            )
            assert event.from_state == now.state
            verb = ticks.VERBS[event.from_state, event.to_state]
            assert ticks.MAY[verb](cadres[event.by_id], now), (event, task)
            if event.value is not None:
                now.value = event.value
            if task.item.target is not None and verb is ticks.Verb.TICK:
                assert task.is_met_by(event.value)
            assert event.note or verb not in (ticks.Verb.NOTE, ticks.Verb.WAIVE, ticks.Verb.RETURN)
            now.state, now.version = event.to_state, now.version + 1
            if verb is ticks.Verb.TICK:
                now.done_by_id = event.by_id
                now.rests_on = now.rests_on if event.value is None else []
            elif verb in (ticks.Verb.UNTICK, ticks.Verb.WAIVE, ticks.Verb.RETURN):
                now.rests_on = [] if now.value is None else sorted({now.done_by_id, *now.rests_on} - {None})
                now.done_by_id = None
            elif event.value is not None:
                now.rests_on = [event.by_id]
        for task in tasks.values():
            if task.pk in stood:
                now = stood[task.pk]
                assert (task.state, task.version, task.done_by_id, task.value, task.rests_on) == (
                    now.state, now.version, now.done_by_id, now.value, now.rests_on,
                )  # fmt: skip
            else:
                assert (task.state, task.version) == (State.OPEN, 0)

    def test_everything_happened_in_office_hours_between_the_launch_and_now(self) -> None:
        for at in TaskEvent.objects.values_list("at", flat=True):
            local = timezone.localtime(at)
            assert self.campaign.starts_on < local.date() < self.today
            assert "08:30" <= f"{local:%H:%M}" <= "18:30"
        assert self.campaign.created_at < timezone.now()

    def test_every_verb_but_restoring_and_looking_again_was_used(self) -> None:
        ways = TaskEvent.objects.order_by().values_list("from_state", "to_state").distinct()
        assert {ticks.VERBS[way] for way in ways} == set(ticks.Verb) - {ticks.Verb.RESTORE, ticks.Verb.LOOK}

    def test_rounds_were_made_and_some_wait(self) -> None:
        over, waiting = Round.objects.filter(finished_at__isnull=False), Round.objects.open()
        assert over.count() >= 40
        assert 120 <= Check.objects.count() <= 300
        for visit in waiting.prefetch_related("inspectors"):
            assert not rounds.cannot_go(visit.inspectors.all(), visit.unit_id, on=self.today)
        assert waiting.filter(inspectors__username="town").exists()
        failing = Check.objects.filter(result="fails").select_related("task", "finding", "round")
        assert 5 <= failing.count() <= 40
        for check in failing:
            assert check.task.state == State.RETURNED
            assert check.task.events.filter(to_state=State.RETURNED, at=check.at, note=check.remark).exists()
            assert check.finding.found_on == timezone.localdate(check.at)
        for check in Check.objects.select_related("task", "round").prefetch_related("task__events"):
            before = [event for event in check.task.events.all() if event.at < check.at]
            assert before[-1].to_state == check.was
            assert check.round.made_at < check.at < check.round.finished_at

    def test_drawn_villages_are_those_that_anyone_computes(self) -> None:
        made, closer, waiting = Draw.objects.order_by("number")
        for draw in (made, closer):
            assert draw.is_drawn and not draws.differences(draw)
            call_command("redraw", draw.pk, stdout=StringIO())
        over = Round.objects.filter(finished_at__isnull=False).select_related("draw")
        assert all(visit.draw is not None and visit.made_at == visit.draw.drawn_at for visit in over)
        assert (made.rounds.count(), closer.rounds.count()) == (3 * 17, 14)
        assert not waiting.is_drawn and waiting.number_one and not waiting.number_two
        drawn = draws.give_number(waiting, "0815", by=Cadre.objects.get(username="leader"))
        assert drawn.rounds.count() == 17
        assert not set(drawn.rounds.values_list("unit", flat=True)) & set(made.rounds.values_list("unit", flat=True))

    def test_board_says_how_much_to_believe(self) -> None:
        user = Cadre.objects.get(username="leader")
        board = figures.board(self.campaign, user, at=people.HOST, on=self.today)
        campaign = live.with_pulse(Campaign.objects, [people.HOST], on=self.today).get()
        found = belief.beliefs(campaign, user, board, in_full=True)
        assert found.total.is_known and found.total.units >= 300
        assert 75 <= found.total.low_percent < 92 <= found.total.high_percent <= 100
        assert [row.code for row in found.rows if row.is_known] == ["511504003"]  # where more was drawn

    def test_few_photos_show_it_and_one_serves_twice(self) -> None:
        uses = Counter(EvidenceUse.objects.filter(task__campaign=self.campaign).values_list("evidence", flat=True))
        assert sorted(uses.values()) == [1, 1, 2]
        asking = Task.objects.filter(campaign=self.campaign, item__needs_proof=True)
        assert asking.filter(unit=people.VILLAGE, state=State.OPEN).exists()
        assert asking.filter(state=State.DONE).exists() and not asking.filter(state=State.VERIFIED).exists()

    def test_queue_is_reached_from_every_page_of_who_verifies(self) -> None:
        self.client.login(username="town", password=demo.PASSWORD)
        task = Task.objects.filter(unit=people.VILLAGE, state=State.DONE).first()
        assert task
        unit = f"/campaigns/{self.campaign.pk}/units/{people.VILLAGE}/"
        for page in ("/units/", task.get_absolute_url(), unit):
            assert b'href="/verify/"' in self.client.get(page).content, page

    def test_ledger_names_the_unit_that_it_is_about(self) -> None:
        self.client.login(username="leader", password=demo.PASSWORD)
        page = self.client.get(f"/campaigns/{self.campaign.pk}/findings/", {"under": people.HOST}).content.decode()
        assert f'<option value="{people.HOST}" selected>叙州区</option>' in page

    def test_campaign_is_under_way_and_keeps_its_own_timetable(self) -> None:
        assert self.campaign.is_running
        assert self.campaign.days_left(self.today) == 35
        assert self.campaign.starts_on == self.today - timedelta(days=24)
        current = self.campaign.phases.filter(starts_on__lte=self.today, ends_on__gte=self.today)
        assert {phase.key for phase in current} == {"prepare", "rectify"}
        due = set(self.campaign.items.values_list("due_on", flat=True))
        assert self.today in due and self.today - timedelta(days=10) in due and max(due) == self.campaign.inspects_on
        assert all(task.due_on == task.item.due_on for task in Task.objects.select_related("item"))

    def test_inbox_holds_the_mornings_of_a_week(self) -> None:
        village = Cadre.objects.get(username="village")
        days = list(Notice.objects.visible_to(village).filter(rule="digest").values_list("on", flat=True))
        assert len(set(days)) == len(days) >= 2
        assert all(is_workday(day) and self.today - timedelta(days=7) < day <= self.today for day in days)
        assert not Notice.objects.exclude(channel="inbox").exists()


@pytest.mark.django_db
def test_refused_when_debug_is_off(settings: Any) -> None:
    settings.DEBUG = False
    with pytest.raises(CommandError, match="DEBUG"):
        call_command("demo")
    assert not Unit.objects.exists() and not Cadre.objects.exists()


@pytest.mark.django_db
def test_refused_where_people_are_at_work() -> None:
    Cadre.objects.create_user("mei", "Mei")
    with pytest.raises(CommandError, match="cadres"):
        make_demo()
    assert not Unit.objects.exists()
