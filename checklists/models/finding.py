"""Findings: what was found wanting, and the work that closes it."""

from datetime import date
from functools import cached_property
from typing import Self

import pgtrigger
from django.contrib.postgres.expressions import ArraySubquery
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Left, Length, Now
from django.urls import reverse
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from checklists.models.campaign import Campaign
from checklists.models.draw import Check
from checklists.models.help import HelpRequest
from checklists.models.item import Item
from checklists.models.task import Task
from checklists.models.together import all_or_none
from villages import access
from villages.models import Cadre, Post, Unit


class FindingQuerySet(models.QuerySet["Finding"]):
    """Sentences about findings."""

    def visible_to(self, user: access.Person) -> Self:
        """Findings at units in the user's sight."""
        return self.filter(access.within("unit__code", user))

    def under(self, code: str) -> Self:
        """Of the unit and everything below it."""
        return self.filter(access.under("unit__code", code))

    def with_step_takers(self) -> Self:
        """Each with `step_takers`, without a query of its own."""
        taken = FindingStep.objects.of_this_time().filter(finding=OuterRef("pk")).order_by()
        return self.annotate(step_takers=ArraySubquery(taken.values("done_by")))

    def unsettled(self) -> Self:
        """Not yet closed: being put right, or put right and not yet confirmed."""
        return self.filter(state__in=(Finding.State.OPEN, Finding.State.FIXED))

    def overdue(self, on: date) -> Self:
        """Still to be put right on a day after the deadline."""
        return self.filter(state=Finding.State.OPEN, due_on__lt=on)

    def unanswered(self) -> Self:
        """Came in as a complaint or a call for help, and nobody has been told anything yet."""
        return self.filter(source__in=Finding.ANSWERED_SOURCES, answer="")

    def to_answer_by(self, user: access.Person) -> Self:
        """It ends next, and this user, who looks after the unit, can tell whoever waits for it what came of it."""
        ends = Q(state__in=(Finding.State.FIXED, Finding.State.CLOSED, Finding.State.DROPPED))
        reached = access.reached("unit__code", user, access.Action.FIND)
        return self.unanswered().filter(reached, ends | Q(disputed_by__isnull=False))

    def to_look_back_at(self, on: date) -> Self:
        """Closed, and the day of the second look has come."""
        return self.filter(look_back_on__lte=on)

    def to_look_back_at_by(self, user: access.Person, *, on: date) -> Self:
        """Of those the ones that this user confirmed, and looks after still."""
        reached = access.reached("unit__code", user, access.Action.FIND)
        return self.to_look_back_at(on).filter(reached, confirmed_by=getattr(user, "pk", None))

    def to_put_right_by(self, user: access.Person, *, on: date) -> Self:
        """Open, and this user's own: as the one responsible, or as who does the work of a unit where nobody is."""
        covering = Q(cadre=OuterRef("responsible"), unit=Left(OuterRef("unit_id"), Length("unit_id")))
        nobodys = ~Exists(Post.objects.current(on).filter(covering)) & access.reached(
            "unit__code", user, access.Action.OWE
        )
        mine = Q(responsible=getattr(user, "pk", None)) & access.within("unit__code", user)
        return self.filter(nobodys | mine, state=Finding.State.OPEN)

    def to_confirm_by(self, user: access.Person) -> Self:
        """Put right by somebody else, and waiting for this user's look."""
        waiting = self.filter(access.reached("unit__code", user, access.Action.FIND), state=Finding.State.FIXED)
        me = getattr(user, "pk", None)
        steps = FindingStep.objects.of_this_time().filter(finding=OuterRef("pk"), done_by=me)
        return (
            waiting.exclude(fixed_by=me)
            .exclude(fixed_for__isnull=False, fixed_for=me)
            .exclude(responsible__isnull=False, responsible=me)
            .exclude(Exists(steps))
        )


class Finding(models.Model):
    """问题: something found wanting, with an owner, a date and an end that somebody else has seen (销号).

    Changed only through checklists/findings/. Who put it right never confirms it.
    """

    class Source(models.TextChoices):
        CHECK = "check", _("a second look")
        MOCK = "mock", _("a mock inspection")
        INSPECTION = "inspection", _("the inspection itself")
        SPEECH = "speech", _("the speech's own list")
        LEDGER = "ledger", _("ledgers that differ")
        LEADER = "leader", _("a leader")
        HELP = "help", _("a call for help")
        COMPLAINT = "complaint", _("a complaint")

    class Severity(models.IntegerChoices):
        MINOR = 1, _("minor")
        SERIOUS = 2, _("serious")
        GRAVE = 3, _("grave")

    class State(models.TextChoices):
        OPEN = "open", _("to be put right")
        FIXED = "fixed", _("put right, not confirmed")
        CLOSED = "closed", pgettext_lazy("finding", "closed")
        DROPPED = "dropped", _("no finding after all")

    # Somebody outside the offices waits to hear what came of it, or whoever called for help does.
    ANSWERED_SOURCES = ("help", "complaint")

    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="findings")
    number = models.PositiveIntegerField()  # in the campaign's ledger; stays when it reopens
    source = models.CharField(_("found by way of"), max_length=12, choices=Source.choices)
    severity = models.PositiveSmallIntegerField(_("severity"), choices=Severity.choices, default=Severity.MINOR)
    unit = models.ForeignKey(Unit, models.PROTECT, related_name="+", verbose_name=_("unit"))
    item = models.ForeignKey(Item, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("item"))
    task = models.ForeignKey(Task, models.PROTECT, null=True, blank=True, related_name="findings")
    check_seen = models.OneToOneField(Check, models.PROTECT, null=True, blank=True, related_name="finding")
    help_request = models.OneToOneField(HelpRequest, models.PROTECT, null=True, blank=True, related_name="finding")
    problem = models.CharField(max_length=40, blank=True)  # which line of the speech's own list, by its id there
    what = models.TextField(_("what is wanting"))
    fix_now = models.TextField(_("to do now"), blank=True)  # 当下改
    change_for_good = models.TextField(_("to change for good"), blank=True)  # 长久立
    responsible = models.ForeignKey(
        Cadre, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("responsible")
    )
    found_on = models.DateField(_("found on"))
    found_by = models.ForeignKey(Cadre, models.PROTECT, related_name="+")
    due_on = models.DateField(_("due on"))
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN, db_default=State.OPEN)
    version = models.PositiveIntegerField(default=0, db_default=0)  # compare-and-set, as a task's
    fixed_by = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+")
    fixed_at = models.DateTimeField(null=True, blank=True)
    confirmed_by = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+")
    confirmed_at = models.DateTimeField(null=True, blank=True)
    # Whose right it was, if it was a stand-in who put it right or confirmed: neither confirms the other's work.
    fixed_for = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    confirmed_for = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    look_back_on = models.DateField(_("look back on"), null=True, blank=True)  # 回头看; None: it was, or need not be
    disputed_by = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+")
    disputed_at = models.DateTimeField(null=True, blank=True)  # a dispute waits for an answer
    asked_until = models.DateField(null=True, blank=True)  # more time is asked for, until this day
    asked_by = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    came_back = models.PositiveSmallIntegerField(default=0, db_default=0)  # how often it reopened
    # What whoever complained or asked was told in the end.
    answer = models.TextField(_("answer"), blank=True)
    answered_by = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+")
    answered_at = models.DateTimeField(null=True, blank=True)

    objects = FindingQuerySet.as_manager()

    class Meta:
        verbose_name = _("finding")
        ordering = ["campaign", "number"]
        constraints = [
            models.UniqueConstraint(name="finding_number_once_in_a_campaign", fields=["campaign", "number"]),
            models.CheckConstraint(
                name="finding_source_is_known",
                condition=Q(
                    source__in=("check", "mock", "inspection", "speech", "ledger", "leader", "help", "complaint")
                ),
            ),
            models.CheckConstraint(name="finding_severity_is_known", condition=Q(severity__gte=1, severity__lte=3)),
            models.CheckConstraint(
                name="finding_state_is_known", condition=Q(state__in=("open", "fixed", "closed", "dropped"))
            ),
            models.CheckConstraint(name="finding_says_what", condition=~Q(what="")),
            models.CheckConstraint(name="finding_is_due_after_it_was_found", condition=Q(due_on__gte=F("found_on"))),
            models.CheckConstraint(
                name="finding_fixed_by_someone_at_some_time",
                condition=Q(state__in=("fixed", "closed"), fixed_by__isnull=False, fixed_at__isnull=False)
                | (~Q(state__in=("fixed", "closed")) & Q(fixed_by__isnull=True, fixed_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="finding_confirmed_by_someone_at_some_time",
                condition=Q(state="closed", confirmed_by__isnull=False, confirmed_at__isnull=False)
                | (~Q(state="closed") & Q(confirmed_by__isnull=True, confirmed_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="finding_confirmed_by_someone_else",
                condition=Q(confirmed_by__isnull=True) | ~Q(confirmed_by=F("fixed_by")),
            ),
            models.CheckConstraint(
                name="finding_confirmed_by_no_stand_in_of_who_fixed_it",
                condition=(Q(confirmed_by__isnull=True) | Q(fixed_for__isnull=True) | ~Q(confirmed_by=F("fixed_for")))
                & (Q(confirmed_for__isnull=True) | ~Q(confirmed_for=F("fixed_by")))
                & (Q(confirmed_for__isnull=True) | Q(fixed_for__isnull=True) | ~Q(confirmed_for=F("fixed_for"))),
            ),
            models.CheckConstraint(
                name="finding_fixed_or_confirmed_for_someone_by_someone",
                condition=(Q(fixed_for__isnull=True) | Q(fixed_by__isnull=False))
                & (Q(confirmed_for__isnull=True) | Q(confirmed_by__isnull=False)),
            ),
            models.CheckConstraint(
                name="finding_looked_back_at_once_closed", condition=Q(look_back_on__isnull=True) | Q(state="closed")
            ),
            models.CheckConstraint(
                name="finding_disputed_by_someone_at_some_time",
                condition=all_or_none("disputed_by", "disputed_at"),
            ),
            models.CheckConstraint(
                name="finding_disputed_or_asked_about_while_open",
                condition=Q(state="open") | Q(disputed_by__isnull=True, asked_until__isnull=True),
            ),
            models.CheckConstraint(
                name="finding_asked_for_time_by_someone",
                condition=all_or_none("asked_until", "asked_by"),
            ),
            models.CheckConstraint(
                name="finding_closed_once_answered",
                condition=~Q(state="closed", source__in=("help", "complaint")) | ~Q(answer=""),
            ),
            models.CheckConstraint(
                name="finding_answered_by_someone",
                condition=Q(answer="", answered_by__isnull=True, answered_at__isnull=True)
                | (~Q(answer="") & Q(answered_by__isnull=False, answered_at__isnull=False)),
            ),
        ]
        indexes = [
            models.Index(name="finding_by_unit", fields=["campaign", "unit", "state"]),
            models.Index(name="finding_by_responsible", fields=["responsible", "state"]),
            # What a board counts: few are unsettled, however many there have been.
            models.Index(
                name="finding_unsettled",
                fields=["campaign", "unit", "state", "due_on"],
                condition=Q(state__in=("open", "fixed")),
            ),
        ]
        triggers = [pgtrigger.Protect(name="finding_stays", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.number} {self.what[:40]}"

    def get_absolute_url(self) -> str:
        return reverse("finding", args=[self.pk])

    @property
    def called(self) -> str:
        """By its number, as people say it."""
        return gettext("No. %(n)d") % {"n": self.number}

    @property
    def waits_for_an_answer(self) -> bool:
        """Somebody has still to be told what came of it."""
        return self.source in self.ANSWERED_SOURCES and not self.answer

    @property
    def answer_is_due(self) -> bool:
        """Somebody is to be told now: it ends next, and does not end before."""
        return self.waits_for_an_answer and (self.state != self.State.OPEN or self.disputed_by_id is not None)

    def is_overdue(self, on: date) -> bool:
        """Still to be put right on a day after the deadline."""
        return self.state == self.State.OPEN and self.due_on < on

    @cached_property
    def step_takers(self) -> list[int]:
        """Ids of those who took a step since it was found or came back last; `with_step_takers` reads them along."""
        return list(self.steps.of_this_time().values_list("done_by", flat=True).order_by())


class FindingStepQuerySet(models.QuerySet["FindingStep"]):
    """Sentences about steps."""

    def of_this_time(self) -> Self:
        """Done since the finding was found, or came back last: who did them had a hand in how it stands now."""
        back = FindingEvent.objects.filter(finding=OuterRef("finding"), what="reopened", at__gt=OuterRef("done_at"))
        return self.filter(~Exists(back), done_by__isnull=False)


class FindingStep(models.Model):
    """整改措施: one dated step of putting a finding right."""

    finding = models.ForeignKey(Finding, models.PROTECT, related_name="steps")
    what = models.CharField(_("step"), max_length=400)
    due_on = models.DateField(_("due on"))
    done_by = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+")
    done_at = models.DateTimeField(null=True, blank=True)

    objects = FindingStepQuerySet.as_manager()

    class Meta:
        ordering = ["due_on", "pk"]
        constraints = [
            models.CheckConstraint(name="finding_step_says_what", condition=~Q(what="")),
            models.CheckConstraint(
                name="finding_step_done_by_someone_at_some_time",
                condition=all_or_none("done_by", "done_at"),
            ),
        ]

        triggers = [pgtrigger.Protect(name="finding_step_stays", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.what


class FindingEvent(models.Model):
    """记录 of a finding. The database refuses to change or remove it."""

    class What(models.TextChoices):
        OPENED = "opened", _("opened")
        PLANNED = "planned", _("plan changed")
        STEPPED = "stepped", _("step done")
        FIXED = "fixed", _("put right")
        SENT_BACK = "sent_back", pgettext_lazy("finding", "sent back")
        CONFIRMED = "confirmed", _("confirmed and closed")
        LOOKED_BACK = "looked_back", _("looked back: it holds")
        REOPENED = "reopened", _("reopened")
        ASKED_TIME = "asked_time", _("asked for more time")
        GAVE_TIME = "gave_time", _("given more time")
        REFUSED_TIME = "refused_time", _("refused more time")
        HANDED_OVER = "handed_over", _("handed over")
        DISPUTED = "disputed", _("disputed")
        UPHELD = "upheld", _("stands")
        DROPPED = "dropped", _("no finding after all")
        ANSWERED = "answered", _("answered")
        NOTED = "noted", _("noted")

    id = models.UUIDField(primary_key=True)  # made by whoever sends it, as a task's event
    finding = models.ForeignKey(Finding, models.PROTECT, related_name="events")
    by = models.ForeignKey(Cadre, models.PROTECT, related_name="+")
    at = models.DateTimeField(db_default=Now())
    what = models.CharField(max_length=12, choices=What.choices)
    note = models.TextField(blank=True)
    day = models.DateField(null=True, blank=True)  # until when, or when to look back
    # Whom it is for: who is responsible from here on, who gets the answer.
    to = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)

    class Meta:
        ordering = ["at", "id"]
        constraints = [
            models.CheckConstraint(
                name="finding_event_gives_a_reason",
                condition=~Q(
                    what__in=(
                        *("sent_back", "reopened", "asked_time", "refused_time", "handed_over", "disputed"),
                        *("upheld", "dropped", "answered", "noted"),
                    )
                )
                | ~Q(note=""),
            ),
        ]
        indexes = [models.Index(name="finding_event_by_time", fields=["at"])]
        triggers = [pgtrigger.Protect(name="finding_event_append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.finding_id} {self.get_what_display()}"
