"""Templates, campaigns, their phases, and who answers for which unit."""

from datetime import date
from typing import Any, NamedTuple, Self

from django.db import models
from django.db.models import Case, Exists, ExpressionWrapper, F, Func, OuterRef, Q, When
from django.db.models.expressions import RawSQL
from django.db.models.functions import Left, Length, Now
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import get_language, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from checklists.models.together import all_or_none
from villages import access
from villages.access import Role
from villages.models import Cadre, Post, PostQuerySet, Unit


def in_language(chinese: str, english: str) -> str:
    """The text in the reader's language; Chinese where there is no English."""
    return english if english and (get_language() or "").startswith("en") else chinese


class TemplateQuerySet(models.QuerySet["Template"]):
    """Sentences about templates."""

    def visible_to(self, user: access.Person) -> Self:
        """The catalog for whoever runs campaigns; an office's own templates for that office, those above and below."""
        if not access.runs_campaigns(user):
            return self.none()
        return self.filter(Q(owner__isnull=True) | access.touching("owner__code", user))

    def newest(self) -> Self:
        """Of each template its latest version."""
        later = Template.objects.filter(slug=OuterRef("slug"), version__gt=OuterRef("version"))
        return self.filter(~Exists(later))


class Template(models.Model):
    """One version of a checklist to start from: a speech of checklists/catalog/, or one that an office saved.

    Campaigns copy from it; a version never changes, a changed text is the next version.
    """

    slug = models.SlugField(max_length=80)
    version = models.PositiveIntegerField(default=1)
    title = models.CharField(max_length=120)
    title_en = models.CharField(max_length=200, blank=True)
    body = models.JSONField()  # the whole file, as checklists/catalog/schema.json allows it
    owner = models.ForeignKey(Unit, models.PROTECT, null=True, blank=True, related_name="+")  # None: of the catalog
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+")

    objects = TemplateQuerySet.as_manager()

    class Meta:
        verbose_name = _("template")
        ordering = ["slug", "-version"]
        constraints = [models.UniqueConstraint(name="template_version_once", fields=["slug", "version"])]

    def __str__(self) -> str:
        return in_language(self.title, self.title_en)


class Follows(NamedTuple):
    """Whose posts a responsibility can follow."""

    role: str
    above: bool  # at the unit right above
    principal: bool | None  # who answers first there, the others, or either
    label: "str | Promise"


POSTS: dict[str, Follows] = {
    "village_head": Follows(Role.VILLAGE_CADRE, False, True, _("head of the village")),
    "village_deputy": Follows(Role.VILLAGE_CADRE, False, False, _("other cadre of the village")),
    "linked_cadre": Follows(Role.LINKED, False, None, _("linked cadre of the village")),
    "township_head": Follows(Role.TOWNSHIP_LEADER, False, True, _("head of the township, for the township itself")),
    "township_leader": Follows(Role.TOWNSHIP_LEADER, False, False, _("other township leader, for the township itself")),
    "township_staff": Follows(Role.TOWNSHIP_STAFF, False, None, _("township staff, for the township itself")),
    "department_head": Follows(Role.DEPARTMENT_CADRE, False, True, _("head of the department")),
    "department_deputy": Follows(Role.DEPARTMENT_CADRE, False, False, _("other cadre of the department")),
    "county_head": Follows(Role.COUNTY_LEADER, False, True, _("head of the county, for the county itself")),
    "county_leader": Follows(Role.COUNTY_LEADER, False, False, _("other county leader, for the county itself")),
    "head_above": Follows(Role.TOWNSHIP_LEADER, True, True, _("head of the township, for its villages")),
    "leader_above": Follows(Role.TOWNSHIP_LEADER, True, False, _("other township leader, for its villages")),
    "staff_above": Follows(Role.TOWNSHIP_STAFF, True, None, _("township staff, for its villages")),
}


def default_answers() -> dict[str, list[str]]:
    """Who answers unless a campaign says otherwise.

    Source: 主要负责人为第一责任人, 分管负责人为直接责任人 (d7c, section 一(二)).
    """
    return {
        "first": ["village_head", "township_head", "department_head"],
        "direct": ["village_deputy", "township_staff", "department_deputy"],
        "linked": ["linked_cadre"],
        "lead": ["leader_above"],
    }


class CampaignQuerySet(models.QuerySet["Campaign"]):
    """Sentences about campaigns."""

    def visible_to(self, user: access.Person) -> Self:
        """Campaigns whose host the user's posts cover or lie under; a draft only for who may run it."""
        open_to_all = access.touching("host__code", user) & ~Q(status=Campaign.Status.DRAFT)
        return self.filter(open_to_all | access.reached("host__code", user, access.Action.RUN))

    def running(self) -> Self:
        """Campaigns whose tasks can be ticked."""
        return self.filter(status=Campaign.Status.ACTIVE)


class Campaign(models.Model):
    """迎检活动: one inspection or drive to be ready for, run by a host unit."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("draft")
        ACTIVE = "active", _("under way")
        PAUSED = "paused", _("paused")
        CLOSED = "closed", _("closed")

    class Level(models.TextChoices):
        NATION = "nation", _("the state")
        PROVINCE = "province", _("the province")
        CITY = "city", _("the city")
        COUNTY = "county", _("the county")
        SELF = "self", _("nobody: a drive of our own")

    template = models.ForeignKey(Template, models.PROTECT, null=True, blank=True)
    host = models.ForeignKey(Unit, models.PROTECT, related_name="campaigns", verbose_name=_("run by"))
    title = models.CharField(pgettext_lazy("campaign", "title"), max_length=120)
    title_en = models.CharField(_("Title in English"), max_length=200, blank=True)
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.DRAFT)
    starts_on = models.DateField(_("starts on"))
    inspects_on = models.DateField(_("inspection day"))
    # The last day of a window ("any day between"); deadlines count from its first day, `inspects_on`.
    inspects_until = models.DateField(_("or any day until"), null=True, blank=True)
    inspected_by = models.CharField(_("inspected by"), max_length=10, choices=Level.choices, blank=True)
    # A unit is red from this share of overdue tasks on (percent of its tasks that apply), amber below it.
    red_percent = models.PositiveSmallIntegerField(_("red from this share overdue"), default=10)
    # What a speech threatens with is off until a named leader switches it on.
    vetoes = models.BooleanField(_("an overdue veto item makes a unit red"), default=False)
    gates = models.BooleanField(_("a phase closes only once its gate items are done everywhere"), default=False)
    ranking = models.BooleanField(_("ranking"), default=False)
    last_places = models.PositiveSmallIntegerField(_("last places that are warned"), default=0)
    # From which day each counts; None, of campaigns older than these fields: from the campaign's first.
    vetoes_from = models.DateField(_("vetoes count from"), null=True, blank=True)
    gates_from = models.DateField(_("gates count from"), null=True, blank=True)
    ranking_from = models.DateField(_("ranking and warning count from"), null=True, blank=True)
    # 通报 → 降等次 → 一票否决: proposed from this day on, each decided by a person (checklists/ladder.py).
    ladder_from = models.DateField(_("measures are proposed from"), null=True, blank=True)
    ladder_by = models.ForeignKey(
        Cadre, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("decided by")
    )
    # How high the second look at a claim must go, unless an item says otherwise.
    looked_at_by = models.PositiveSmallIntegerField(
        _("claims are checked by"), choices=access.Height.choices, default=access.Height.LINKED, db_default=1
    )
    decided_by = models.ForeignKey(
        Cadre, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("decided by")
    )
    answers = models.JSONField(default=default_answers)  # kind of responsibility -> whose posts, in order of choice
    topics = models.JSONField(default=dict, blank=True)  # key -> [title, title_en], for speeches of several parts
    # Units that take no part, each with everything below it.
    excluded = models.ManyToManyField(Unit, blank=True, related_name="+", verbose_name=_("taking no part"))
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+")
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+")

    objects = CampaignQuerySet.as_manager()

    class Meta:
        verbose_name = _("campaign")
        ordering = ["inspects_on", "pk"]
        constraints = [
            models.UniqueConstraint(
                name="campaign_once_per_template_host_and_day", fields=["template", "host", "inspects_on"]
            ),
            models.CheckConstraint(
                name="campaign_status_is_known", condition=Q(status__in=("draft", "active", "paused", "closed"))
            ),
            models.CheckConstraint(
                name="campaign_starts_before_the_inspection", condition=Q(starts_on__lte=F("inspects_on"))
            ),
            models.CheckConstraint(
                name="campaign_window_ends_after_it_begins",
                condition=Q(inspects_until__isnull=True) | Q(inspects_until__gte=F("inspects_on")),
            ),
            models.CheckConstraint(
                name="campaign_veto_and_ranking_are_somebodys_decision",
                condition=Q(vetoes=False, ranking=False) | Q(decided_by__isnull=False),
            ),
            models.CheckConstraint(
                name="campaign_gates_are_somebodys_decision",
                condition=Q(gates=False) | Q(decided_by__isnull=False),
            ),
            models.CheckConstraint(
                name="campaign_dates_only_rules_that_are_on",
                condition=(Q(vetoes=True) | Q(vetoes_from__isnull=True))
                & (Q(gates=True) | Q(gates_from__isnull=True))
                & (Q(ranking=True) | Q(ranking_from__isnull=True)),
            ),
            models.CheckConstraint(
                name="campaign_ladder_is_somebodys_decision",
                condition=all_or_none("ladder_from", "ladder_by"),
            ),
            models.CheckConstraint(
                name="campaign_looked_at_by_a_known_height", condition=Q(looked_at_by__in=access.Height.values)
            ),
            models.CheckConstraint(
                name="campaign_closed_by_someone_at_some_time",
                condition=Q(closed_at__isnull=True, closed_by__isnull=True)
                | Q(status="closed", closed_at__isnull=False, closed_by__isnull=False),
            ),
            models.CheckConstraint(
                name="campaign_red_is_a_percentage", condition=Q(red_percent__gte=1) & Q(red_percent__lte=100)
            ),
        ]

    def __str__(self) -> str:
        return in_language(self.title, self.title_en)

    @property
    def is_draft(self) -> bool:
        """Whether it is still being set up: it has items, but no tasks."""
        return self.status == self.Status.DRAFT

    @property
    def is_running(self) -> bool:
        """Whether tasks can be ticked."""
        return self.status == self.Status.ACTIVE

    @property
    def is_closed(self) -> bool:
        """Whether it is read-only."""
        return self.status == self.Status.CLOSED

    @property
    def closed_on(self) -> date | None:
        """The day on which it was closed; None while it is not."""
        return timezone.localdate(self.closed_at) if self.closed_at else None

    @property
    def last_day(self) -> date:
        """The last day on which the inspection may come."""
        return self.inspects_until or self.inspects_on

    @property
    def has_measures(self) -> bool:
        """Whether a rule is on by which measures are proposed."""
        return bool(self.ladder_from or self.vetoes or self.last_places)

    def counts(self, rule: str, on: date) -> bool:
        """Whether what a leader switched on ("vetoes", "gates" or "ranking") counts on this day."""
        return getattr(self, rule) and (getattr(self, f"{rule}_from") or self.starts_on) <= on

    def days_left(self, on: date) -> int:
        """Whole days from `on` to the inspection day; negative once it is past."""
        return (self.inspects_on - on).days


def where_held(unit: str, parent: str | None, *, by_hand: bool, looks_above: bool) -> list[str | None]:
    """Codes of the units where a post counts for answering for this one. Twin of `ResponsibilityQuerySet.held_by`."""
    return [*access.above(unit)] if by_hand else [unit, parent] if looks_above else [unit]


# Where whoever answers has a post on a day. Twin of `PostQuerySet.current`: composing that takes longer than reading.
HELD_AT = """
    ARRAY(SELECT unit_id FROM villages_post
          WHERE cadre_id = checklists_responsibility.cadre_id AND since <= %s AND (until IS NULL OR until > %s))
"""


class ResponsibilityQuerySet(models.QuerySet["Responsibility"]):
    """Sentences about who answers."""

    def visible_to(self, user: access.Person) -> Self:
        """Responsibilities for units in the user's sight."""
        return self.filter(access.within("unit__code", user))

    def in_office(self, on: date) -> Self:
        """Held by someone who is still there."""
        return self.held_by(Post.objects.current(on))

    def held_by(self, posts: PostQuerySet) -> Self:
        """Held by someone with one of these posts at that very unit; above it where the rule looks above.

        Who is named by hand may have theirs anywhere above. Twin in Python: `where_held`.
        """
        ways = {  # where else than at the unit itself, if at all
            "above": Case(When(looks_above=True, then=F("unit__parent"))),
            "anywhere": Case(When(by_hand=True, then=F("unit"))),
        }
        there = Q(unit=OuterRef("unit")) | Q(unit=OuterRef("above"))
        there |= Q(unit=Left(OuterRef("anywhere"), Length("unit")))
        return self.reaching().alias(**ways).filter(Exists(posts.filter(there, cadre=OuterRef("cadre"))))

    def reaching(self) -> Self:
        """With an alias `looks_above`: whether the campaign's rule for this kind names a post at the unit above."""
        posts = Func(
            "campaign__answers",
            "kind",
            template="(%(expressions)s)",
            arg_joiner=" -> ",
            output_field=models.JSONField(),
        )
        above = Q(rule__has_any_keys=[post for post, follows in POSTS.items() if follows.above])
        return self.alias(rule=posts).alias(looks_above=ExpressionWrapper(above, models.BooleanField()))

    def of_unit(self, campaign: Campaign, unit: Unit, *, on: date) -> "list[Responsibility]":
        """Who answers for one unit and is still there, in order. One query, faster than `in_office`."""
        found: Any = self.filter(campaign=campaign, unit=unit, cadre__is_active=True).select_related("cadre")
        named = list(found.annotate(held_at=RawSQL(HELD_AT, [on, on])))  # noqa: S611 - a constant
        named.sort(key=lambda one: Responsibility.Kind.values.index(one.kind))
        above = {kind for kind, posts in campaign.answers.items() if any(POSTS[post].above for post in posts)}

        def is_there(one: Any) -> bool:
            places = where_held(unit.pk, unit.parent_id, by_hand=one.by_hand, looks_above=one.kind in above)
            return any(place in one.held_at for place in places)

        return [one for one in named if is_there(one)]

    def in_order(self) -> Self:
        """First, direct, linked, lead: as people are called."""
        ranks = [When(kind=kind, then=rank) for rank, kind in enumerate(Responsibility.Kind.values)]
        return self.select_related("cadre").order_by(Case(*ranks))


class Responsibility(models.Model):
    """责任: who answers for a unit in a campaign. Filled from posts at launch, changed by hand after."""

    class Kind(models.TextChoices):
        FIRST = "first", _("first to answer")
        DIRECT = "direct", _("answers directly")
        LINKED = "linked", _("linked cadre")
        LEAD = "lead", _("leader in charge")

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="responsibilities")
    unit = models.ForeignKey(Unit, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    cadre = models.ForeignKey(Cadre, models.PROTECT, related_name="responsibilities")
    by_hand = models.BooleanField(default=False)  # named by a person: bringing up to date leaves it alone

    objects = ResponsibilityQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="responsibility_once_per_kind", fields=["campaign", "unit", "kind"]),
            models.CheckConstraint(
                name="responsibility_kind_is_known", condition=Q(kind__in=("first", "direct", "linked", "lead"))
            ),
        ]
        indexes = [models.Index(fields=["cadre", "campaign"])]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.cadre}"
