"""One campaign, its people, and all that they may try with tasks, proof, rounds, findings, measures and draws.

Steps in any order: ticks and all that undoes them, looks and looks again, many at once, checks on rounds, files that
come and go, every verb on a finding, stand-ins and second posts that come and go, heights that change. What must
hold is worked out here from the posts and the histories alone, without asking the policy (villages/access/).
"""

import contextlib
import uuid
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.core.exceptions import PermissionDenied
from django.db import models
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from checklists import draws, evidence, findings, ladder, looks, rounds, ticks
from checklists.evidence.refusals import Refused as NotTaken
from checklists.evidence.things import Thing
from checklists.findings import verbs
from checklists.models import (
    Campaign,
    Check,
    Draw,
    Evidence,
    EvidenceUse,
    Finding,
    FindingEvent,
    FindingStep,
    Item,
    Measure,
    Relief,
    Round,
    State,
    Task,
    TaskEvent,
)
from checklists.rounds import relief
from tests import factories, proofs
from tests.checklists.conftest import Undone
from tests.checklists.test_draw_race import announced
from tests.checklists.test_tallies import drift
from tests.factories import COUNTY, EAST, MAPLE, WILLOW
from villages.access import Role
from villages.models import Cadre, Post, Unit

DAY = timedelta(days=1)
LOOKS = (State.VERIFIED, State.RETURNED)
CLAIMED = (State.DONE, State.VERIFIED)
What = FindingEvent.What
JUDGES = (
    What.CONFIRMED, What.SENT_BACK, What.LOOKED_BACK, What.GAVE_TIME, What.REFUSED_TIME, What.UPHELD, What.DROPPED,
)  # fmt: skip
NAMES = ("lan", "hong", "lin", "bao", "tang", "su", "ada", "nobody")
INSPECTORS = ("su", "ada", "tang")
# Which roles tick and which check in the villages of East Township, and from how high: written down once more.
TICKS = {Role.VILLAGE_CADRE, Role.LINKED, Role.TOWNSHIP_STAFF}
CHECKS = {
    Role.LINKED: 1, Role.TOWNSHIP_STAFF: 2, Role.TOWNSHIP_LEADER: 2, Role.SUPERVISOR: 3, Role.CAMPAIGN_ADMIN: 4,
}  # fmt: skip
SECOND_POSTS = [
    (Role.VILLAGE_CADRE, WILLOW), (Role.LINKED, WILLOW), (Role.LINKED, MAPLE), (Role.TOWNSHIP_STAFF, EAST),
    (Role.SUPERVISOR, EAST), (Role.SUPERVISOR, COUNTY), (Role.CAMPAIGN_ADMIN, COUNTY),
]  # fmt: skip
# What nobody takes away again, and the columns of each line that never change.
STAYS: dict[type[models.Model], tuple[str, ...]] = {
    Task: ("campaign", "item", "unit"),
    TaskEvent: ("task", "by", "from_state", "to_state", "note"),
    Check: ("round", "task", "by", "result", "remark", "was"),
    Round: ("unit", "made_by", "draw"),
    Relief: ("round", "was", "now", "reason", "by"),
    Finding: ("number", "unit", "task", "what", "found_by", "check_seen"),
    FindingEvent: ("finding", "by", "what", "note", "day", "to"),
    Evidence: ("unit", "by", "sha256", "name"),
    EvidenceUse: ("evidence", "task", "finding", "check_seen", "by"),
    Measure: ("unit", "rung"),
    Draw: ("number", "commitment", "frozen", "announced_by"),
}
REFUSALS = (
    ticks.Refused, rounds.Refused, findings.Refused, draws.Refused, ladder.Refused, NotTaken, PermissionDenied,
)  # fmt: skip


class Said(NamedTuple):
    """Who said something of a task, and in whose places they could have."""

    by: int
    places: frozenset[int | None]  # None: by a post of their own


class TwoPeople(Undone):
    """A campaign in two villages, eight people, and all that they may try."""

    @initialize()
    def campaign(self) -> None:
        self.today = timezone.localdate()
        self.found = Campaign.objects.get()
        self.people = list(Cadre.objects.filter(username__in=NAMES).order_by("pk"))
        tasks = Task.objects.filter(campaign=self.found, unit__in=[WILLOW, MAPLE], item__number__in=["v-1", "v-2"])
        self.tasks = list(tasks.order_by("unit", "pk").values_list("pk", flat=True))
        self.claims: dict[int, Said] = {}
        self.behind: dict[int, set[int]] = {}  # whose word a claim rests on besides
        self.values: dict[int, set[int]] = {}  # whose the value that counts is
        self.written: dict[type[models.Model], dict[Any, tuple[Any, ...]]] = {}
        # So that every run has something to look at: claims of Lin's, who checks there too, and of Lin's stand-in;
        # files of both, a round in either village, something found wanting, a measure and a draw.
        lin, nobody, ada = (NAMES.index(name) for name in ("lin", "nobody", "ada"))
        post = self.people[lin].posts.get(unit=MAPLE)
        self._stand_in(nobody, post)
        for who, task in ((lin, self.tasks[0]), (lin, self.tasks[1]), (nobody, self.tasks[-1])):
            with self._watched(task, self.people[who], State.DONE):
                ticks.record(self._task(task), by=self._person(who), event=uuid.uuid4(), state=State.DONE, seen=0)
        Item.objects.filter(number="v-1").update(looked_at_by=2, metric="户数")
        self.measured = [pk for pk in self.tasks if self._task(pk).item.is_measured]
        Item.objects.filter(number="v-2").update(needs_proof=True)
        self.files = [proofs.kept(self._task(pk), self.people[lin], at=timezone.now()).pk for pk in self.tasks]
        for unit in (WILLOW, MAPLE):
            self._send(ada, unit)
        self.open(ada, 0, "leader")
        self.draw = announced(self.found, by=self.people[ada])
        self.measure = Measure.objects.create(
            campaign=self.found, unit_id=WILLOW, rung=1, grounds={"rule": "veto", "items": [], "on": str(self.today)}
        )

    # What is done to tasks -------------------------------------------------------------------------------------------

    people_, tasks_, findings_ = st.integers(0, 7), st.integers(0, 3), st.integers(1, 4)

    @rule(who=people_, which=tasks_, to=st.sampled_from(["open", "done", "done", "verified", "returned"]))
    def act(self, who: int, which: int, to: str) -> None:
        """One step from the task as it is."""
        task, by = self._task(self.tasks[which]), self._person(who)
        with self._watched(task.pk, by, to), contextlib.suppress(*REFUSALS):
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
                    with self._watched(task.pk, by, to), contextlib.suppress(ticks.Unfit):  # its proof may be gone
                        ticks.record(task, by=by, event=uuid.uuid4(), state=to, note="因为", seen=task.version)
                    return

    @rule(who=people_, which=tasks_, amount=st.integers(0, 99), ticks_too=st.booleans())
    def enter_a_value(self, who: int, which: int, amount: int, ticks_too: bool) -> None:
        """As it stands, or with the tick."""
        task, by = self._task(self.measured[which % len(self.measured)]), self._person(who)
        to = State.DONE if ticks_too or not task.is_owed else State(task.state)
        with self._watched(task.pk, by, to, enters=True), contextlib.suppress(*REFUSALS):
            ticks.record(task, by=by, event=uuid.uuid4(), state=to, value=Decimal(amount), seen=task.version)

    @rule(who=people_, other=people_, which=tasks_, amount=st.integers(0, 99), to=st.sampled_from(LOOKS))
    def look_at_ones_own_value(self, who: int, other: int, which: int, amount: int, to: str) -> None:
        """One enters a value, somebody else does what comes next, and the first looks."""
        self.enter_a_value(who, which, amount, ticks_too=False)
        task = self._task(self.measured[which % len(self.measured)])
        by = self._person(other)
        with self._watched(task.pk, by, State.DONE, enters=not task.is_owed), contextlib.suppress(*REFUSALS):
            value = None if task.is_owed else Decimal(amount + 1)
            ticks.record(task, by=by, event=uuid.uuid4(), state="done", value=value, seen=task.version)
        self.act(who, self.tasks.index(task.pk), to)

    @rule(who=people_, other=people_, which=tasks_, to=st.sampled_from(["done", "verified"]))
    def do_in_somebodys_place(self, who: int, other: int, which: int, to: str) -> None:
        """One takes the place of another for a step that the other might take."""
        post = self._posts(self.people[other]).filter(stands_in_for=None).first()
        if who != other and post:
            self._stand_in(who, post)
            self.do_what_one_may(who, which, to)

    @rule(who=people_, which=tasks_, to=st.sampled_from(LOOKS))
    def look_in_the_claimants_place(self, who: int, which: int, to: str) -> None:
        """One takes the claimant's own place, and looks."""
        task = self._task(self.tasks[which])
        claimant = Post.objects.current(self.today).filter(cadre=task.done_by, stands_in_for=None)
        post = claimant.filter(role__in=CHECKS).first()
        if post is not None and post.cadre_id != self.people[who].pk:
            self._stand_in(who, post)
            self.act(who, which, to)

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

    # What is done on rounds and with proof ---------------------------------------------------------------------------

    @rule(who=people_, which=tasks_, result=st.sampled_from(["holds", "fails", "fails", "unseen"]))
    def check(self, who: int, which: int, result: str) -> None:
        self._check(self._person(who), self._task(self.tasks[which]), result)

    @rule(who=st.integers(0, 2), which=tasks_, result=st.sampled_from(["holds", "fails"]))
    def inspector_claims_and_checks(self, who: int, which: int, result: str) -> None:
        """One was sent there, works there by now as somebody's stand-in, and claims what is to be looked at."""
        by = NAMES.index(INSPECTORS[who])
        owed = [pk for pk in self.tasks if self._task(pk).is_owed] or self.tasks
        task = self._task(owed[which % len(owed)])
        post = Post.objects.current(self.today).filter(role=Role.TOWNSHIP_STAFF, stands_in_for=None).first()
        if post and post.cadre_id != self.people[by].pk:
            self._stand_in(by, post)
        with self._watched(task.pk, self.people[by], State.DONE), contextlib.suppress(*REFUSALS):
            ticks.record(task, by=self._person(by), event=uuid.uuid4(), state="done", seen=task.version)
        self._check(self._person(by), self._task(task.pk), result)

    @rule(who=people_, unit=st.sampled_from([WILLOW, MAPLE]))
    def round_ends(self, who: int, unit: str) -> None:
        """And the next begins, so that everything can be looked at once more."""
        visit = Round.objects.open().filter(unit=unit).first()
        if visit is not None:
            with contextlib.suppress(*REFUSALS):
                rounds.finish(visit, by=self._person(who), left=rounds.not_looked_at(visit).count())
        self._send(who, unit)

    @rule(who=people_, file=tasks_, which=tasks_, to_finding=st.booleans())
    def attach(self, who: int, file: int, which: int, to_finding: bool) -> None:
        row: Any = Finding.objects.filter(number=which + 1).first() if to_finding else self._task(self.tasks[which])
        if row is not None:
            with contextlib.suppress(*REFUSALS):
                evidence.attach(Thing(row), [self.files[file]], by=self._person(who))

    @rule(who=people_, file=tasks_)
    def take_back(self, who: int, file: int) -> None:
        held, by = Evidence.objects.get(pk=self.files[file]), self._person(who)
        stays = Task.objects.filter(proofs__evidence=held, state=State.VERIFIED).exists()
        stays |= Finding.objects.filter(proofs__evidence=held, state=Finding.State.CLOSED).exists()
        with contextlib.suppress(*REFUSALS):
            evidence.take_back(held, by=by, now=timezone.now())
        now = Evidence.objects.get(pk=held.pk)
        if now.removed_at != held.removed_at:
            assert not stays, "somebody verified or closed with this file before them"
            assert by.pk == held.by_id

    @rule(who=people_, unit=st.sampled_from([WILLOW, MAPLE]), to=people_)
    def others_go(self, who: int, unit: str, to: int) -> None:
        visit = Round.objects.open().filter(unit=unit).order_by("pk").last()
        if visit is not None:
            sent: dict[str, Any] = {"was": visit.inspectors.values_list("pk", flat=True), "reason": "住院"}
            with contextlib.suppress(*REFUSALS):
                people = [self.people[NAMES.index("su")], self.people[to]]
                relief.relieve(visit, by=self._person(who), event=uuid.uuid4(), people=people, **sent)

    # What is done to findings ----------------------------------------------------------------------------------------

    @rule(who=people_, which=tasks_, source=st.sampled_from(["leader", "complaint"]))
    def open(self, who: int, which: int, source: str) -> None:
        if Finding.objects.count() < 3:
            task = self._task(self.tasks[which])
            with contextlib.suppress(findings.Refused):
                findings.open_finding(by=self._person(who), event=uuid.uuid4(), campaign=self.found, unit=task.unit,
                                      source=source, what="路灯不亮", task=task, found_on=self.today)  # fmt: skip

    @rule(n=findings_, what=st.sampled_from(list(verbs.CHANGES)), who=people_, to=people_, days=st.integers(1, 9))
    def anything(self, n: int, what: str, who: int, to: int = 2, days: int = 1) -> None:
        finding = Finding.objects.filter(number=n).first()
        if finding is None:
            return
        by, step = self._person(who), FindingStep.objects.filter(finding=finding, done_by=None).first()
        sent: dict[str, Any] = {"until": max(finding.due_on, self.today) + days * DAY, "to": self._person(to)}
        sent |= {"fix_now": f"做{days}", "new_step": "买灯", "step": step.pk if step else None}
        kept = {What.HANDED_OVER: {"to"}, What.STEPPED: {"step"}, What.PLANNED: {"fix_now", "new_step", "until"}}
        sent = {name: value for name, value in sent.items() if name in kept.get(What(what), {"until"})}
        event, hands = uuid.uuid4(), self._hands()
        if what == What.LOOKED_BACK:  # its day has come
            Finding.objects.filter(pk=finding.pk, look_back_on__gt=self.today).update(look_back_on=self.today)
        try:
            verbs.record(finding, what, by=by, event=event, note="因为", **sent)
        except REFUSALS:
            return
        if what in (What.CONFIRMED, What.LOOKED_BACK):
            last = finding.events.filter(what=What.FIXED).order_by("at").last()
            assert last is not None
            assert not hands[by.pk] & hands[last.by_id], "who put it right looked at it"
            back = finding.events.filter(what=What.REOPENED).order_by("at").last()
            steps = finding.events.filter(what=What.STEPPED, **{"at__gt": back.at} if back else {})
            assert not any(hands[by.pk] & hands[step.by_id] for step in steps), "who took a step of it looked at it"
        if what in JUDGES:
            assert finding.responsible_id not in hands[by.pk], "who is responsible decided about it"

    @rule(n=findings_, fixer=people_, looker=people_)
    def fix_and_confirm(self, n: int, fixer: int, looker: int) -> None:
        self.anything(n, What.FIXED, fixer)
        self.anything(n, What.ANSWERED, looker)
        self.anything(n, What.CONFIRMED, looker)

    @rule(n=findings_, fixer=people_, looker=people_)
    def take_a_step_and_confirm(self, n: int, fixer: int, looker: int) -> None:
        for what in (What.PLANNED, What.STEPPED):
            self.anything(n, what, looker)
        self.fix_and_confirm(n, fixer, looker)

    @rule(n=findings_, fixer=people_, looker=people_)
    def fix_and_confirm_in_their_place(self, n: int, fixer: int, looker: int) -> None:
        post = self._posts(self.people[fixer]).filter(stands_in_for=None).first()
        if fixer != looker and post:
            self._stand_in(looker, post)
        self.fix_and_confirm(n, fixer, looker)

    # What is done against units, and by lot --------------------------------------------------------------------------

    @rule(who=people_, what=st.sampled_from(["applied", "object", "answer"]), upheld=st.booleans())
    def measure_moves(self, who: int, what: str, upheld: bool) -> None:
        by, held = self._person(who), Measure.objects.get(pk=self.measure.pk)
        hands = self._hands()
        with contextlib.suppress(*REFUSALS):
            if what == "object":
                ladder.object_to(held, by=by, objection="不服", on=self.today)
            elif what == "answer":
                if ladder.answer(held, by=by, upheld=upheld, answer="已核实"):
                    decided = Measure.objects.get(pk=held.pk).decided_by_id or 0
                    assert not hands[by.pk] & hands[decided], "who decided answered for it"
            else:
                ladder.decide(held, by=by, to=what, reason="连续红灯")

    @rule(who=people_, number=st.integers(0, 99))
    def number_comes(self, who: int, number: int) -> None:
        before, hands = Draw.objects.get(pk=self.draw.pk), self._hands()
        with contextlib.suppress(*REFUSALS):
            now = draws.give_number(before, str(number), by=self._person(who))
            if now.is_drawn and not before.is_drawn:
                assert not hands[now.number_one_by_id or 0] & hands[now.number_two_by_id or 0]

    # Who holds which post --------------------------------------------------------------------------------------------

    @rule(who=people_, other=people_, which=st.integers(0, 9))
    def stand_in_comes(self, who: int, other: int, which: int) -> None:
        posts = list(self._posts(self.people[other]).filter(stands_in_for=None).order_by("pk"))
        if who != other and posts:
            self._stand_in(who, posts[which % len(posts)])

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

    # What must hold --------------------------------------------------------------------------------------------------

    @invariant()
    def nobody_is_both_claimant_and_verifier(self) -> None:
        """By the columns, and by the history alone. A round sends back, too; whoever enters a value claims it."""
        for task in Task.objects.filter(pk__in=self.tasks):
            claimed, verified = (
                {task.done_by_id, task.done_for_id, *task.rests_on},
                {task.verified_by_id, task.verified_for_id},
            )
            assert not claimed & verified - {None}
        claimants: dict[int, set[int]] = {}
        values: dict[int, set[int]] = {}
        for event in TaskEvent.objects.filter(task__in=self.tasks).order_by("at", "id"):
            if event.value is not None:  # each stands for its own day, so the last one counts
                values[event.task_id] = {event.by_id}
            if event.to_state == State.DONE and event.from_state != State.DONE:
                claimants[event.task_id] = {event.by_id} | values.get(event.task_id, set())
            elif event.to_state == State.DONE and event.value is not None:
                claimants[event.task_id].add(event.by_id)
            elif event.is_look:
                assert event.by_id not in claimants[event.task_id], "who claimed it looked at it"

    @invariant()
    def nobody_both_fixes_and_confirms(self) -> None:
        """By the columns, and by the history alone."""
        for finding in Finding.objects.all():
            fixed, confirmed = (
                {finding.fixed_by_id, finding.fixed_for_id},
                {finding.confirmed_by_id, finding.confirmed_for_id},
            )
            assert not fixed & confirmed - {None}
        ended = Finding.objects.filter(state__in=("closed", "dropped"), source="complaint")
        assert not ended.filter(answer="").exists(), "a complaint ended, and whoever complained was not told"
        last, took = dict[tuple[int, str], int](), set[tuple[int, int]]()
        against = {
            What.CONFIRMED: What.FIXED, What.LOOKED_BACK: What.FIXED, What.UPHELD: What.DISPUTED,
            What.DROPPED: What.DISPUTED, What.REFUSED_TIME: What.ASKED_TIME,
        }  # fmt: skip
        for event in FindingEvent.objects.order_by("at", "id"):
            if event.what == What.STEPPED:
                took.add((event.finding_id, event.by_id))
            elif event.what == What.REOPENED:
                took = {(finding, by) for finding, by in took if finding != event.finding_id}
            elif event.what in (What.CONFIRMED, What.LOOKED_BACK):
                assert (event.finding_id, event.by_id) not in took, "passed on a step of their own"
            if event.what in against:
                assert last[event.finding_id, against[What(event.what)]] != event.by_id, "passed on their own doing"
            last[event.finding_id, event.what] = event.by_id

    @invariant()
    def nobody_decides_a_measure_and_answers_for_it_nor_gives_both_numbers(self) -> None:
        for measure in Measure.objects.exclude(answered_by=None):
            assert measure.answered_by_id not in (measure.decided_by_id, measure.objected_by_id)
        for draw in Draw.objects.exclude(number_two_by=None):
            assert draw.number_one_by_id != draw.number_two_by_id
            assert draws.differences(draw) == []

    @invariant()
    def nothing_is_deleted(self) -> None:
        for model, columns in STAYS.items():
            now = {row[0]: row for row in model._default_manager.values_list("pk", *columns)}
            assert self.written.get(model, {}).items() <= now.items()
            self.written[model] = now
        versions = sum(Task.objects.filter(pk__in=self.tasks).values_list("version", flat=True))
        assert versions == len(self.written[TaskEvent]), "each change has its line of history"
        for number, finding in enumerate(Finding.objects.order_by("number"), start=1):
            assert finding.number == number, "numbers without gaps"
            whats = list(finding.events.values_list("what", flat=True))
            assert (finding.came_back, finding.version) == (whats.count(What.REOPENED), len(whats) - 1)
        failed = Check.objects.filter(result="fails").count()
        assert Finding.objects.filter(source="mock", check_seen__isnull=False).count() == failed

    @invariant()
    def tallies_equal_a_recount(self) -> None:
        assert drift() == []

    # How it is known -------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _watched(self, pk: int, by: Cadre, to: str, *, enters: bool = False) -> Iterator[None]:
        """Looks at what came of a step: in whose place it was made, and that this was nobody's who claimed."""
        before = self._task(pk)
        yield
        now = self._task(pk)
        if now.version == before.version:
            return
        places = self._places(by, now.unit_id, TICKS)
        if to == State.DONE and (enters or before.state != State.DONE):
            assert now.done_by_id == by.pk
            assert now.done_for_id in (places if None not in places else {None})
            if before.state == State.DONE:
                self.behind[pk] |= {self.claims[pk].by, *self.claims[pk].places} - {None}
            else:
                self.behind[pk] = set() if enters else self.values.get(pk, set())
            self.claims[pk] = Said(by.pk, frozenset({now.done_for_id}))
            self.values |= {pk: {by.pk, now.done_for_id} - {None}} if enters else {}
        elif enters:
            assert by.pk in now.rests_on
            assert set(now.rests_on) - {by.pk} <= places - {None}
            assert None in places or len(now.rests_on) == 2
            self.values[pk] = set(now.rests_on)
        elif to in LOOKS and before.state in CLAIMED:
            claim = self.claims[pk]
            claimants = {claim.by, *claim.places, *self.behind[pk]} - {None}
            high = {role for role, height in CHECKS.items() if height >= before.height}
            places = self._places(by, now.unit_id, high, at_least=before.height)
            assert by.pk not in claimants, "in whose place it was claimed, they looked at it"
            assert places - claimants, "who only stands in for the claimant looked at it"
            if to == State.VERIFIED:
                assert now.verified_by_id == by.pk
                assert now.verified_for_id in (places - claimants if None not in places else {None})
                there = EvidenceUse.objects.filter(task=pk, evidence__removed_at=None).exists()
                assert there or not now.item.needs_proof or before.state == State.VERIFIED

    def _check(self, by: Cadre, task: Task, result: str) -> None:
        """Records it, twice; what came of it, and whose claim it was about."""
        visit = Round.objects.open().filter(unit=task.unit_id).first()
        if visit is None:
            return
        sent: dict[str, Any] = {"by": by, "event": uuid.uuid4(), "task": task.pk, "result": result}
        sent["remark"] = "" if result == "holds" else "台账没有签字"
        held = Finding.objects.count()
        try:
            is_new = rounds.record(visit, **sent).is_new
        except REFUSALS:
            return
        rounds.record(visit, **sent)
        now, fails = self._task(task.pk), is_new and result == "fails"
        returns = fails and task.state in CLAIMED
        assert (now.state, now.version) == (
            (State.RETURNED, task.version + 1) if returns else (task.state, task.version)
        )
        assert Finding.objects.count() == held + fails
        if is_new and task.state in CLAIMED:
            claim = self.claims[task.pk]
            taken = self._posts(by).exclude(stands_in_for=None).values_list("stands_in_for__cadre", flat=True)
            assert not {by.pk, *taken} & {claim.by, *claim.places, *self.behind[task.pk]}, "who claimed it inspected it"

    def _send(self, who: int, unit: str) -> None:
        """Sends inspectors; where it is their own work by now, others."""
        there = Unit.objects.get(pk=unit)
        people = [self.people[NAMES.index(name)] for name in INSPECTORS]
        own = rounds.cannot_go(people, unit, on=self.today)
        with contextlib.suppress(*REFUSALS):
            rounds.plan(self.found, by=self._person(who), unit=there, rhythm="patrol", why="很久没去过",
                        inspectors=[one for one in people if one.pk not in own])  # fmt: skip

    def _hands(self) -> dict[int, set[int]]:
        """Each person, and for whom they stand in today."""
        found = {one.pk: {one.pk} for one in Cadre.objects.all()}
        standing = Post.objects.current(self.today).exclude(stands_in_for=None)
        for cadre, principal in standing.values_list("cadre", "stands_in_for__cadre"):
            found[cadre].add(principal)
        return found

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

    def _stand_in(self, who: int, post: Post) -> None:
        self._appoint(who, post.role, post.unit_id, stands_in_for=post, until=self.today + DAY)

    def _appoint(self, who: int, role: str, unit: str, **post: Any) -> None:
        if not self._posts(self.people[who]).filter(role=role, unit=unit).exists():
            factories.appoint(self.people[who], role, unit, **post)

    def _task(self, pk: int) -> Task:
        return Task.objects.for_list().get(pk=pk)

    def _person(self, who: int) -> Cadre:
        found = Cadre.objects.in_session(self.people[who].pk)
        assert found is not None
        return found
