"""Cadres and the posts that join them to units."""

from collections.abc import Collection
from datetime import date
from functools import cached_property
from typing import Any, Self

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Exists, F, Min, OuterRef, Q
from django.db.models.functions import Length
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from villages import access
from villages.access import Role
from villages.models.unit import COUNTRY, Kind, Unit


class CadreQuerySet(models.QuerySet["Cadre"]):
    """Sentences about people."""

    def visible_to(self, user: access.Person) -> Self:
        """Who holds or held a post at a unit in the user's sight."""
        return self.filter(Exists(Post.objects.visible_to(user).filter(cadre=OuterRef("pk"))))

    def called(self, words: str) -> Self:
        """Whose name contains the words, or whose mobile number they are."""
        return self.filter(Q(name__contains=words) | Q(phone=words))


# Twin of `PostQuerySet.current`.
IN_SESSION = """
    SELECT c.*, ARRAY(SELECT ARRAY[p.role, p.unit_id, stood.cadre_id::text] FROM villages_post p
                      LEFT JOIN villages_post stood ON stood.id = p.stands_in_for_id
                      WHERE p.cadre_id = c.id AND p.since <= %(on)s AND (p.until IS NULL OR p.until > %(on)s)
                      ORDER BY p.id) AS held
    FROM villages_cadre c WHERE c.id = %(pk)s AND c.is_active
"""


class CadreManager(BaseUserManager["Cadre"]):
    """Makes people."""

    def get_queryset(self) -> CadreQuerySet:
        return CadreQuerySet(self.model, using=self._db)

    def visible_to(self, user: access.Person) -> CadreQuerySet:
        """Who holds or held a post at a unit in the user's sight."""
        return self.get_queryset().visible_to(user)

    def in_session(self, pk: int) -> "Cadre | None":
        """The cadre, while they may log in, with what decides of each current post in the same query.

        Written out, as every request asks it and composing it would take five times as long as reading.
        """
        today = timezone.localdate()
        return next(iter(self.raw(IN_SESSION, {"pk": pk, "on": today})), None)

    def create_user(self, username: str, name: str, password: str | None = None, **fields: Any) -> "Cadre":
        """A cadre; without a password the line stands on the roster but cannot log in."""
        cadre = self.model(username=username, name=name, **fields)
        cadre.set_password(password)
        cadre.save(using=self._db)
        return cadre

    def get_by_natural_key(self, username: str | None) -> "Cadre":
        return self.get(username=username)


class Cadre(AbstractBaseUser):
    """干部: a person who can hold a post and log in. What they may see and do follows from posts alone."""

    username = models.CharField(
        _("log-in name"),
        max_length=60,
        unique=True,
        # A log-in name that looks like a phone number could shadow another person's phone.
        validators=[RegexValidator(r"^(?!1\d{10}$)[\w.@+-]+\Z")],
    )
    name = models.CharField(pgettext_lazy("cadre", "name"), max_length=40)
    phone = models.CharField(
        _("mobile number"),
        max_length=11,
        null=True,
        blank=True,
        unique=True,
        validators=[RegexValidator(r"^1\d{10}\Z", _("A mobile number has 11 digits and begins with 1."))],
        error_messages={"unique": _("This mobile number belongs to somebody else on the roster.")},
    )
    email = models.EmailField(_("e-mail"), blank=True)
    is_active = models.BooleanField(_("may log in"), default=True)

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["name"]
    objects = CadreManager()

    class Meta:
        verbose_name = _("cadre")
        constraints = [
            models.CheckConstraint(name="cadre_has_a_name", condition=~Q(name="") & ~Q(username="")),
            models.CheckConstraint(name="cadre_phone_is_a_mobile_number", condition=Q(phone__regex=r"^1\d{10}$")),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def masked_phone(self) -> str:
        """138****5678, for those who check but do not call."""
        return f"{self.phone[:3]}****{self.phone[7:]}" if self.phone else ""

    @cached_property
    def grants(self) -> tuple[access.Grant, ...]:
        """Each current post, as far as it decides: one query per request."""
        if not self.is_active:
            return ()
        held: list[tuple[str, str, str | None]] | None = getattr(self, "held", None)
        if held is not None:
            return tuple(access.Grant(role, unit, int(other) if other else None) for role, unit, other in held)
        current = self.posts.current(timezone.localdate()).order_by("pk")
        return tuple(access.Grant(*post) for post in current.values_list("role", "unit_id", "stands_in_for__cadre"))


# Where a role can be held. A campaign may be run by any level from the township up.
ABOVE_VILLAGE = (Kind.TOWNSHIP, Kind.COUNTY, Kind.CITY, Kind.PROVINCE, Kind.COUNTRY)
KINDS_OF_ROLE: dict[str, tuple[Kind, ...]] = {
    Role.VILLAGE_CADRE: (Kind.VILLAGE, Kind.SITE),
    Role.LINKED: (Kind.VILLAGE, Kind.SITE),
    Role.TOWNSHIP_STAFF: (Kind.TOWNSHIP,),
    Role.TOWNSHIP_LEADER: (Kind.TOWNSHIP,),
    Role.DEPARTMENT_CADRE: (Kind.DEPARTMENT, Kind.COUNTY, Kind.CITY, Kind.PROVINCE, Kind.COUNTRY),
    Role.COUNTY_LEADER: (Kind.COUNTY, Kind.CITY, Kind.PROVINCE, Kind.COUNTRY),
    Role.CAMPAIGN_ADMIN: ABOVE_VILLAGE,
    Role.SUPERVISOR: ABOVE_VILLAGE,
    Role.AUDITOR: ABOVE_VILLAGE,
}


class PostQuerySet(models.QuerySet["Post"]):
    """Sentences about posts."""

    def current(self, on: date) -> Self:
        """Held on this day. `until` is the first day on which it is no longer held, so ending a post works now."""
        return self.filter(Q(until__isnull=True) | Q(until__gt=on), since__lte=on, cadre__is_active=True)

    def visible_to(self, user: access.Person) -> Self:
        """Posts at units that the user's own posts cover."""
        return self.filter(access.within("unit__code", user))

    def highest(self, action: access.Action) -> int:
        """How many places the code of the highest unit has where one of these posts allows this; -1: none does."""
        held = self.filter(role__in=access.RIGHTS[action])
        places: int | None = held.aggregate(places=Min(Length("unit_id")))["places"]
        return -1 if places is None else places

    def not_over(self, on: date) -> Self:
        """Held on this day or later."""
        return self.filter(Q(until__isnull=True) | Q(until__gt=on))


class Post(models.Model):
    """岗位: a cadre's role at one unit, with dates."""

    cadre = models.ForeignKey(Cadre, models.PROTECT, related_name="posts", verbose_name=_("cadre"))
    unit = models.ForeignKey(Unit, models.PROTECT, related_name="posts", verbose_name=_("unit"))
    role = models.CharField(_("role"), max_length=20, choices=Role.choices)
    title = models.CharField(pgettext_lazy("post", "title"), max_length=40, blank=True)
    # The one who answers first (第一责任人): village secretary, township head.
    principal = models.BooleanField(_("answers first"), default=False)
    since = models.DateField(_("since"), default=timezone.localdate)
    until = models.DateField(_("until"), null=True, blank=True)
    # Whose work this person does for a while, at the same unit in the same role.
    stands_in_for = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="stand_ins", verbose_name=_("stands in for")
    )
    made_by = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    ended_by = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)

    objects = PostQuerySet.as_manager()

    class Meta:
        verbose_name = _("post")
        ordering = ["unit", "-principal", "role", "pk"]
        constraints = [
            models.UniqueConstraint(
                name="post_held_once_at_a_time", fields=["cadre", "unit", "role"], condition=Q(until__isnull=True)
            ),
            models.CheckConstraint(
                name="post_ends_after_it_began", condition=Q(until__isnull=True) | Q(until__gte=F("since"))
            ),
            models.CheckConstraint(name="post_role_is_known", condition=Q(role__in=Role.values)),
            models.CheckConstraint(
                name="post_of_a_stand_in_has_an_end", condition=Q(stands_in_for__isnull=True) | Q(until__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.cadre} · {self.title or self.get_role_display()} · {self.unit}"

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """As always; but the empty code of the country is a unit and not a missing one."""
        super().clean_fields({*(exclude or ()), "unit"} if self.unit_id == COUNTRY else exclude)

    def clean(self) -> None:
        """Refuses a role at a kind of unit where it cannot be held."""
        from django.core.exceptions import ValidationError

        if self.unit_id is not None and self.role and self.unit.kind not in KINDS_OF_ROLE[self.role]:
            raise ValidationError({"role": _("This role cannot be held at this kind of unit.")})
