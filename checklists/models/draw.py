"""Draws, the rounds that follow from them, and what was seen on a round."""

from typing import Self

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, F, OuterRef, Q, Subquery
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.translation import gettext, gettext_noop, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from checklists import stored_words
from checklists.models.campaign import Campaign
from checklists.models.item import Item
from checklists.models.tally import MOVED_BY_CHECK
from checklists.models.task import State, Task, TaskQuerySet
from checklists.models.together import all_or_none
from villages import access
from villages.models import Cadre, Unit

NOBODY_YET = gettext_noop("nobody has been there yet")


class DrawQuerySet(models.QuerySet["Draw"]):
    """Sentences about draws."""

    def visible_to(self, user: access.Person) -> Self:
        """Draws among units in the user's sight, or among which their own are: anyone there can check one."""
        return self.filter(access.touching("among__code", user))

    def waiting(self) -> Self:
        """Announced, and neither made nor replaced."""
        return self.filter(drawn_at__isnull=True, replaced_by__isnull=True)


class Draw(models.Model):
    """随机抽取: a recorded choice of units, items and inspectors that anyone can compute again.

    Its list is frozen and its secret's hash shown before two people each add a number. Nothing of it changes after.
    """

    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="draws")
    number = models.PositiveIntegerField()  # 1, 2, 3 … in its campaign
    title = models.CharField(pgettext_lazy("campaign", "title"), max_length=120)
    among = models.ForeignKey(Unit, models.PROTECT, related_name="+", verbose_name=_("among the units of"))
    recipe = models.JSONField()  # what is taken, as checklists/draws/recipe.py reads it
    frozen = models.TextField()  # the list it is drawn from, line by line, as it is hashed
    secret = models.CharField(max_length=64)  # shown to nobody before the draw
    commitment = models.CharField(max_length=64)  # SHA-256 of the secret, shown from the beginning
    announced_by = models.ForeignKey(Cadre, models.PROTECT, related_name="+")
    announced_at = models.DateTimeField(db_default=Now())
    number_one = models.CharField(max_length=40, blank=True)
    number_one_by = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+")
    number_two = models.CharField(max_length=40, blank=True)
    number_two_by = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+")
    drawn_at = models.DateTimeField(null=True, blank=True)
    # A draw is never made again quietly: another one stands beside it and says why.
    instead_of = models.OneToOneField("self", models.PROTECT, null=True, blank=True, related_name="replaced_by")
    reason = models.CharField(_("reason"), max_length=400, blank=True)

    objects = DrawQuerySet.as_manager()

    class Meta:
        verbose_name = _("draw")
        ordering = ["campaign", "number"]
        constraints = [
            models.UniqueConstraint(name="draw_number_once_in_a_campaign", fields=["campaign", "number"]),
            models.CheckConstraint(
                name="draw_numbers_are_digits",
                condition=Q(number_one__regex=r"^[0-9]{0,40}$", number_two__regex=r"^[0-9]{0,40}$"),
            ),
            models.CheckConstraint(
                name="draw_number_is_somebodys",
                condition=(
                    Q(number_one="", number_one_by__isnull=True) | (~Q(number_one="") & Q(number_one_by__isnull=False))
                )
                & (Q(number_two="", number_two_by__isnull=True) | (~Q(number_two="") & Q(number_two_by__isnull=False))),
            ),
            models.CheckConstraint(
                name="draw_numbers_by_two_people",
                condition=Q(number_two_by__isnull=True)
                | (Q(number_one_by__isnull=False) & ~Q(number_one_by=F("number_two_by"))),
            ),
            models.CheckConstraint(
                name="draw_drawn_once_both_numbers_are_there",
                condition=all_or_none("drawn_at", "number_two_by"),
            ),
            models.CheckConstraint(
                name="draw_made_again_gives_a_reason", condition=Q(instead_of__isnull=True) | ~Q(reason="")
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="draw_stays", operation=pgtrigger.Delete),
            # Before the draw only numbers are added, one after the other; after it nothing changes.
            pgtrigger.Trigger(
                name="draw_is_frozen",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                func="""
                    IF OLD.drawn_at IS NOT NULL
                       OR (OLD.number_one <> '' AND (NEW.number_one, NEW.number_one_by_id)
                           IS DISTINCT FROM (OLD.number_one, OLD.number_one_by_id))
                       OR (NEW.campaign_id, NEW.number, NEW.among_id, NEW.recipe, NEW.frozen, NEW.secret,
                           NEW.commitment, NEW.announced_by_id, NEW.announced_at, NEW.instead_of_id, NEW.reason,
                           NEW.title)
                          IS DISTINCT FROM
                          (OLD.campaign_id, OLD.number, OLD.among_id, OLD.recipe, OLD.frozen, OLD.secret,
                           OLD.commitment, OLD.announced_by_id, OLD.announced_at, OLD.instead_of_id, OLD.reason,
                           OLD.title) THEN
                        RAISE EXCEPTION 'A draw is not changed afterwards'
                            USING ERRCODE = 'check_violation', CONSTRAINT = 'draw_is_not_changed_afterwards';
                    END IF;
                    RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id}/{self.number} {self.title}"

    @property
    def is_drawn(self) -> bool:
        return self.drawn_at is not None


class RoundQuerySet(models.QuerySet["Round"]):
    """Sentences about rounds."""

    def visible_to(self, user: access.Person) -> Self:
        """Rounds that the user was sent on; of units in the user's sight those that are over, and the others for who
        plans rounds there or leads the campaign's host: nobody is warned of a visit (四不两直).
        """
        return self.filter(self._of(user) | self._shown_by_posts(user))

    def shown_by_posts(self, user: access.Person) -> Self:
        """As `visible_to`, but for those that only who was sent on them sees: the same to all who hold such posts."""
        return self.filter(self._shown_by_posts(user))

    def of(self, user: access.Person) -> Self:
        """That the user was sent on."""
        return self.filter(self._of(user))

    def under(self, code: str) -> Self:
        """At the unit and everything below it."""
        return self.filter(access.under("unit__code", code))

    def open(self) -> Self:
        """Not finished."""
        return self.filter(finished_at__isnull=True)

    def _shown_by_posts(self, user: access.Person) -> Q:
        told = access.reached("unit__code", user, access.Action.INSPECT)
        told |= access.reached("campaign__host__code", user, access.Action.WATCH)
        return access.within("unit__code", user) & (Q(finished_at__isnull=False) | told)

    def _of(self, user: access.Person) -> Q:
        return Q(pk__in=Round.inspectors.through.objects.filter(cadre=getattr(user, "pk", None)).values("round"))


class Round(models.Model):
    """检查: one visit to one unit, by one inspector or several."""

    class Rhythm(models.TextChoices):
        """四种方式: how supervision comes round."""

        PATROL = "patrol", _("patrol")
        FOCUS = "focus", _("focus")
        REPEAT = "repeat", _("repeat")
        TRACK = "track", _("track to the end")

    CHOSEN = (Rhythm.FOCUS, Rhythm.REPEAT)  # rhythms that go where somebody expects something: no sample

    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="rounds")
    unit = models.ForeignKey(Unit, models.PROTECT, related_name="+")
    draw = models.ForeignKey(Draw, models.PROTECT, null=True, blank=True, related_name="rounds")  # None: nobody drew it
    rhythm = models.CharField(_("rhythm"), max_length=10, choices=Rhythm.choices)
    why = models.CharField(_("reason"), max_length=400, blank=True)
    items = models.ManyToManyField(Item, blank=True, related_name="+")  # empty: all that the unit owes
    inspectors = models.ManyToManyField(Cadre, related_name="rounds")
    on = models.DateField(_("planned for"), null=True, blank=True)
    made_by = models.ForeignKey(Cadre, models.PROTECT, related_name="+")
    made_at = models.DateTimeField(db_default=Now())
    finished_by = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+")
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = RoundQuerySet.as_manager()

    class Meta:
        verbose_name = _("round")
        ordering = ["-made_at", "pk"]
        constraints = [
            models.UniqueConstraint(name="round_once_per_draw_and_unit", fields=["draw", "unit"]),
            models.CheckConstraint(
                name="round_rhythm_is_known", condition=Q(rhythm__in=("patrol", "focus", "repeat", "track"))
            ),
            models.CheckConstraint(
                name="round_finished_by_someone_at_some_time",
                condition=all_or_none("finished_by", "finished_at"),
            ),
        ]
        indexes = [models.Index(name="round_by_campaign_and_unit", fields=["campaign", "unit"])]
        triggers = [pgtrigger.Protect(name="round_stays", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.unit_id} {self.get_rhythm_display()}"

    @property
    def why_said(self) -> str:
        """The reason; where nobody had been there, in the reader's language: the software said that itself."""
        msgid = stored_words.known([NOBODY_YET]).get(self.why)
        return gettext(msgid) if msgid else self.why

    def get_absolute_url(self) -> str:
        return reverse("round", args=[self.pk])

    @property
    def is_over(self) -> bool:
        return self.finished_at is not None


class Relief(models.Model):
    """换督查人员: others go on a round from then on, and why. The database refuses to change or remove it.

    Written while the round is held, so each one begins with those whom the one before ended with.
    """

    id = models.UUIDField(primary_key=True)  # made by the page, so that a repeat is known as one
    round = models.ForeignKey(Round, models.PROTECT, related_name="reliefs")
    was = ArrayField(models.BigIntegerField())  # ids of who went until then, the lowest first
    now = ArrayField(models.BigIntegerField())  # and of who goes
    reason = models.CharField(_("reason"), max_length=400)
    by = models.ForeignKey(Cadre, models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering = ["at"]
        constraints = [
            models.CheckConstraint(name="relief_sends_somebody_else", condition=Q(now__len__gt=0) & ~Q(now=F("was"))),
            models.CheckConstraint(name="relief_gives_a_reason", condition=~Q(reason="")),
        ]
        triggers = [pgtrigger.Protect(name="relief_append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.round_id} {self.reason}"


class CheckQuerySet(models.QuerySet["Check"]):
    """Sentences about what was seen."""

    def visible_to(self, user: access.Person) -> Self:
        """About tasks of units in the user's sight; and what they saw themselves anywhere, while in office."""
        own = Q(by=getattr(user, "pk", None)) if access.may_go_on_rounds(user) else Q(pk__in=[])
        return self.filter(access.within("task__unit__code", user) | own)

    def found_at(self, campaign: Campaign, unit: Unit) -> Self:
        """What was seen of the unit's own tasks, the newest first, with what a line shows."""
        found = self.filter(task__campaign=campaign, task__unit=unit).select_related("by", "task__item__campaign")
        return found.order_by("-at", "-id")

    def from_draws(self) -> Self:
        """Seen on rounds that chance has chosen."""
        found = self.filter(round__draw__isnull=False, task__retired_at__isnull=True)
        return found.exclude(round__rhythm__in=Round.CHOSEN)

    def of_claims(self) -> Self:
        """That decided about a task which was claimed when it was looked at."""
        return self.filter(was__in=(State.DONE, State.VERIFIED)).exclude(result="unseen")


class Check(models.Model):
    """检查结果: what an inspector saw of one task on one round. The database refuses to change or remove it."""

    class Result(models.TextChoices):
        HOLDS = "holds", _("holds")
        FAILS = "fails", _("does not hold")
        UNSEEN = "unseen", _("could not be seen")

    id = models.UUIDField(primary_key=True)  # made on the inspector's device, so that a repeat is known as one
    round = models.ForeignKey(Round, models.PROTECT, related_name="checks")
    task = models.ForeignKey(Task, models.PROTECT, related_name="checks")
    result = models.CharField(_("result"), max_length=10, choices=Result.choices)
    remark = models.TextField(_("remark"), blank=True)
    by = models.ForeignKey(Cadre, models.PROTECT, related_name="+")
    at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(null=True, blank=True)  # by the device's clock, which may be wrong
    was = models.CharField(max_length=10, choices=State.choices)  # where the task stood

    objects = CheckQuerySet.as_manager()

    class Meta:
        ordering = ["at", "id"]
        constraints = [
            models.UniqueConstraint(
                name="check_decided_once_per_round_and_task", fields=["round", "task"], condition=~Q(result="unseen")
            ),
            models.CheckConstraint(name="check_result_is_known", condition=Q(result__in=("holds", "fails", "unseen"))),
            models.CheckConstraint(name="check_says_what_does_not_hold", condition=Q(result="holds") | ~Q(remark="")),
            models.CheckConstraint(name="check_was_is_a_state", condition=Q(was__in=State.values)),
        ]
        triggers = [
            pgtrigger.Protect(name="check_append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            # At the commit, when no more tasks are waited for: whoever ticks holds a task and waits for the pulse.
            pgtrigger.Trigger(
                name="check_moves_the_pulse",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                timing=pgtrigger.Deferred,
                func=MOVED_BY_CHECK,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.task_id} {self.get_result_display()}"


def looked_at(tasks: TaskQuerySet) -> TaskQuerySet:
    """Of these tasks those whose claim was looked at because chance chose it."""
    return tasks.filter(Exists(Check.objects.from_draws().of_claims().filter(task=OuterRef("pk"))))


def unfounded(tasks: TaskQuerySet) -> TaskQuerySet:
    """And of those, the ones whose claim did not hold when it was last looked at so."""
    looks = Check.objects.from_draws().of_claims().filter(task=OuterRef("pk")).order_by("-at", "-id").values("result")
    return looked_at(tasks).alias(last_look=Subquery(looks[:1])).filter(last_look="fails")
