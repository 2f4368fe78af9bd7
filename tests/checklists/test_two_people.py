"""Whatever is done to tasks, by whom and in whose place: claimed and verified stay two people's words.

Steps in any order: ticks and all that undoes them, looks and looks again, many at once, stand-ins and second posts that
come and go, heights that change. What must hold is worked out here from the posts and the history alone, without asking
the policy (villages/access/).
"""

import contextlib
import os
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule, run_state_machine_as_test

from checklists import looks, ticks
from checklists.models import Campaign, Item, State, Task, TaskEvent
from tests import factories
from tests.checklists.conftest import Undone
from tests.checklists.test_tallies import drift
from tests.factories import COUNTY, EAST, MAPLE, WILLOW
from villages import access
from villages.access import Role
from villages.models import Cadre, Post

LOOKS = (State.VERIFIED, State.RETURNED)
# Which roles tick and which check in the villages of East Township, and from how high: written down once more.
TICKS = {Role.VILLAGE_CADRE, Role.LINKED, Role.TOWNSHIP_STAFF}
CHECKS = {
    Role.LINKED: 1, Role.TOWNSHIP_STAFF: 2, Role.TOWNSHIP_LEADER: 2, Role.SUPERVISOR: 3, Role.CAMPAIGN_ADMIN: 4,
}  # fmt: skip
SECOND_POSTS = [
    (Role.VILLAGE_CADRE, WILLOW), (Role.LINKED, WILLOW), (Role.LINKED, MAPLE), (Role.TOWNSHIP_STAFF, EAST),
    (Role.SUPERVISOR, EAST), (Role.SUPERVISOR, COUNTY), (Role.CAMPAIGN_ADMIN, COUNTY),
]  # fmt: skip


class Said(NamedTuple):
    """Who said something of a task, and in whose places they could have."""

    by: int
    places: frozenset[int | None]  # None: by a post of their own


class TwoPeople(Undone):
    """A campaign in two villages, eight people, and all that they may try."""

    @initialize()
    def campaign(self) -> None:
        self.today = timezone.localdate()
        found = Campaign.objects.get()
        names = ("lan", "hong", "lin", "bao", "tang", "su", "ada", "nobody")
        self.people = list(Cadre.objects.filter(username__in=names).order_by("pk"))
        tasks = Task.objects.filter(campaign=found, unit__in=[WILLOW, MAPLE], item__number__in=["v-1", "v-2"])
        self.tasks = list(tasks.order_by("unit", "pk").values_list("pk", flat=True))
        self.all_tasks = Task.objects.count()
        self.claims: dict[int, Said] = {}
        self.written: dict[uuid.UUID, tuple[Any, ...]] = {}
        # So that every run has something to look at: claims of Lin's, who checks there too, and of Lin's stand-in.
        lin, nobody = (names.index(name) for name in ("lin", "nobody"))
        post = self.people[lin].posts.get(unit=MAPLE)
        self._appoint(nobody, post.role, MAPLE, stands_in_for=post, until=self.today + timedelta(days=1))
        for who, task in ((lin, self.tasks[0]), (lin, self.tasks[1]), (nobody, self.tasks[-1])):
            with self._watched(task, self.people[who], State.DONE):
                ticks.record(self._task(task), by=self._person(who), event=uuid.uuid4(), state=State.DONE, seen=0)

    # What is done ---------------------------------------------------------------------------------------------------

    people_, tasks_ = st.integers(0, 7), st.integers(0, 3)

    @rule(who=people_, which=tasks_, to=st.sampled_from(["open", "done", "done", "verified", "returned"]))
    def act(self, who: int, which: int, to: str) -> None:
        """One step from the task as it is."""
        task, by = self._task(self.tasks[which]), self._person(who)
        with self._watched(task.pk, by, to), contextlib.suppress(ticks.Refused, PermissionDenied):
            ticks.record(task, by=by, event=uuid.uuid4(), state=to, note="因为", seen=task.version)

    @rule(who=people_, which=tasks_, to=st.sampled_from(["done", "verified", "verified", "returned"]))
    def do_what_one_may(self, who: int, which: int, to: str) -> None:
        """So that every run gets somewhere: the next of all people who may take this step takes it."""
        for turn in range(len(self.tasks)):
            task = self._task(self.tasks[(which + turn) % len(self.tasks)])
            for other in range(len(self.people)):
                by = self._person((who + other) % len(self.people))
                moves = to != task.state or to == State.VERIFIED
                if moves and to in ticks.choices(by, task):
                    with self._watched(task.pk, by, to):
                        ticks.record(task, by=by, event=uuid.uuid4(), state=to, note="因为", seen=task.version)
                    return

    @rule(who=people_, other=people_, which=tasks_, to=st.sampled_from(["done", "verified"]))
    def do_in_somebodys_place(self, who: int, other: int, which: int, to: str) -> None:
        """One takes the place of another for a step that the other might take."""
        post = self._posts(self.people[other]).filter(stands_in_for=None).first()
        if who != other and post:
            self._appoint(who, post.role, post.unit_id, stands_in_for=post, until=self.today + timedelta(days=1))
            self.do_what_one_may(who, which, to)

    @rule(who=people_, to=st.sampled_from(LOOKS), stale=st.booleans())
    def many_at_once(self, who: int, to: str, stale: bool) -> None:
        """Everything that there is, from a page of this moment or of the one before; and the same once more."""
        by, event = self._person(who), uuid.uuid4()
        chosen = {
            pk: version - stale for pk, version in Task.objects.filter(pk__in=self.tasks).values_list("pk", "version")
        }
        chosen = {pk: version for pk, version in chosen.items() if version >= 0}
        with contextlib.ExitStack() as watched:
            for pk in chosen:
                watched.enter_context(self._watched(pk, by, to))
            looks.several(chosen, by=by, event=event, state=to, note="因为")
        events = TaskEvent.objects.count()
        looks.several(chosen, by=by, event=event, state=to, note="因为")
        assert TaskEvent.objects.count() == events, "a repeat is no second change"

    @rule(who=people_, other=people_, which=st.integers(0, 9))
    def stand_in_comes(self, who: int, other: int, which: int) -> None:
        posts = list(self._posts(self.people[other]).filter(stands_in_for=None).order_by("pk"))
        if who != other and posts:
            post = posts[which % len(posts)]
            self._appoint(who, post.role, post.unit_id, stands_in_for=post, until=self.today + timedelta(days=1))

    @rule(who=people_, which=st.integers(0, 9), standing_in=st.booleans())
    def post_goes(self, who: int, which: int, standing_in: bool) -> None:
        posts = list(self._posts(self.people[who]).filter(stands_in_for__isnull=not standing_in).order_by("pk"))
        if posts:
            Post.objects.filter(pk=posts[which % len(posts)].pk).update(until=self.today)

    @rule(who=people_, which=st.sampled_from(SECOND_POSTS))
    def second_post_comes(self, who: int, which: tuple[str, str]) -> None:
        self._appoint(who, *which)

    @rule(campaign=st.integers(1, 4), item=st.sampled_from([None, None, 1, 2, 3, 4]))
    def height_changes(self, campaign: int, item: int | None) -> None:
        Campaign.objects.update(looked_at_by=campaign)
        Item.objects.filter(number="v-2").update(looked_at_by=item)

    # What must hold -------------------------------------------------------------------------------------------------

    @invariant()
    def nobody_is_both_claimant_and_verifier(self) -> None:
        """By the columns, and by the history alone."""
        for task in Task.objects.filter(pk__in=self.tasks):
            claimed, verified = {task.done_by_id, task.done_for_id}, {task.verified_by_id, task.verified_for_id}
            assert not claimed & verified - {None}
        claimants: dict[int, int] = {}
        for event in TaskEvent.objects.filter(task__in=self.tasks).order_by("at", "id"):
            if event.to_state == State.DONE and event.from_state != State.DONE:
                claimants[event.task_id] = event.by_id
            elif event.is_look:
                assert claimants[event.task_id] != event.by_id, "who claimed it looked at it"

    @invariant()
    def nothing_is_deleted(self) -> None:
        now = {
            row[0]: row for row in TaskEvent.objects.values_list("id", "task", "by", "from_state", "to_state", "note")
        }
        assert self.written.items() <= now.items()
        self.written = now
        assert Task.objects.count() == self.all_tasks
        versions = sum(Task.objects.filter(pk__in=self.tasks).values_list("version", flat=True))
        assert versions == len(now), "each change has its line of history"

    @invariant()
    def tallies_equal_a_recount(self) -> None:
        assert drift() == []

    # How it is known ------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _watched(self, pk: int, by: Cadre, to: str) -> Iterator[None]:
        """Looks at what came of a step: in whose place it was made, and that this was nobody's who claimed."""
        before = self._task(pk)
        yield
        now = self._task(pk)
        if now.version == before.version:
            return
        if to == State.DONE and before.state != State.DONE:
            places = self._places(by, now.unit_id, TICKS)
            assert now.done_by_id == by.pk
            assert now.done_for_id in (places if None not in places else {None})
            self.claims[pk] = Said(by.pk, frozenset({now.done_for_id}))
        elif to in LOOKS and before.state in (State.DONE, State.VERIFIED):
            claim = self.claims[pk]
            claimants = {claim.by, *claim.places} - {None}
            high = {role for role, height in CHECKS.items() if height >= before.height}
            places = self._places(by, now.unit_id, high, at_least=before.height)
            assert by.pk not in claimants, "in whose place it was claimed, they looked at it"
            assert places - claimants, "who only stands in for the claimant looked at it"
            if to == State.VERIFIED:
                assert now.verified_by_id == by.pk
                assert now.verified_for_id in (places - claimants if None not in places else {None})

    def _places(self, by: Cadre, unit: str, roles: set[Any], *, at_least: int = 0) -> set[int | None]:
        """In whose places somebody could do it, by the posts that stand in the database. At Willow or Maple."""
        found: set[int | None] = set()
        for post in self._posts(by).select_related("stands_in_for"):
            reaches = post.unit_id == unit or (unit.startswith(post.unit_id) and len(post.unit_id) < len(unit))
            too_low = at_least > 2 and len(post.unit_id) == 9
            if post.role in roles and reaches and not too_low:
                found.add(post.stands_in_for.cadre_id if post.stands_in_for else None)
        return found

    def _posts(self, by: Cadre) -> Any:
        return Post.objects.filter(cadre=by).current(self.today)

    def _appoint(self, who: int, role: str, unit: str, **post: Any) -> None:
        if not self._posts(self.people[who]).filter(role=role, unit=unit).exists():
            factories.appoint(self.people[who], role, unit, **post)

    def _task(self, pk: int) -> Task:
        return Task.objects.for_list().get(pk=pk)

    def _person(self, who: int) -> Cadre:
        found = Cadre.objects.in_session(self.people[who].pk)
        assert found is not None
        return found


# A failure is printed as it was found: making it shorter takes minutes. Add Phase.shrink when there is one.
SEQUENCES = settings(
    max_examples=int(os.environ.get("TWO_PEOPLE", "25")),  # by hand: a few hundred
    stateful_step_count=30,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def small(cast: dict[str, Cadre]) -> None:
    factories.campaign(on=timezone.localdate())


def test_claimed_and_verified_are_two_peoples_words_whatever_is_done(small: None) -> None:
    run_state_machine_as_test(TwoPeople, settings=SEQUENCES)  # type: ignore[no-untyped-call]


# --- Controls: each of these rules broken, with the database's own guard off -----------------------------------------


def forgets_the_claimant(user: Any, task: Any) -> access.Verdict:
    """Whoever's post checks there may."""
    high = [
        one for one in access.posts_for(user, access.Action.CHECK, task.unit_id) if access.height_of(one) >= task.height
    ]
    return access.YES if high else access.Verdict(False)


def forgets_stand_ins(user: Any, task: Any) -> access.Verdict:
    """As it was before there were stand-ins."""
    return access.Verdict(task.done_by_id != user.pk and bool(forgets_the_claimant(user, task)))


def forgets_heights(user: Any, task: Any) -> access.Verdict:
    """Any look will do."""
    low = ticks._Anywhere(task.unit_id, 1, task.done_by_id, task.done_for_id)
    return access.may_check(user, low)


@pytest.mark.parametrize("broken", [forgets_the_claimant, forgets_stand_ins, forgets_heights])
def test_the_sequences_find_it_out_if_a_rule_is_broken(
    broken: Any, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for verb in (ticks.Verb.VERIFY, ticks.Verb.RETURN, ticks.Verb.LOOK):
        monkeypatch.setitem(ticks.MAY, verb, broken)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for name in ("someone_else", "no_stand_in_of_the_claimant"):
            cursor.execute(f"ALTER TABLE checklists_task DROP CONSTRAINT task_verified_by_{name}")
    with pytest.raises(AssertionError):
        run_state_machine_as_test(TwoPeople, settings=SEQUENCES)  # type: ignore[no-untyped-call]
