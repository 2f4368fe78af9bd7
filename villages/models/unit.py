"""Units and their codes.

A unit's code is its path (`511504` county, `511504101` township, `511504101202` village), so an
ancestor's code is a prefix of its descendant's and a subtree is one prefix condition on one index.
Source of the codes: the national statistical division codes, significant digits only.
"""

from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.utils.translation import gettext_lazy as _

from villages import access

# Digits of the national division code, then at most one department and at most one site. No digits at all is the whole
# country: the empty code is a prefix of every other.
# Twins: the constraint `unit_code_is_well_formed`, villages/importing/cells.py and the URL converter.
CODE_PATTERN = r"(?:\d{2}|\d{4}|\d{6}|\d{9}|\d{12})?(?:D\d{3})?(?:S\d{4})?"
COUNTRY = ""
COUNTRY_WRITTEN = "0"  # in addresses, files and commands, where nothing cannot be written


class Kind(models.TextChoices):
    """What sort of unit; follows from the code alone."""

    COUNTRY = "country", _("country")
    PROVINCE = "province", _("province")
    CITY = "city", _("city")
    COUNTY = "county", _("county")
    TOWNSHIP = "township", _("township")
    VILLAGE = "village", _("village")
    DEPARTMENT = "department", _("department")
    SITE = "site", _("site")


def code_of(written: str) -> str:
    """The code that is meant by a code as people and addresses write it."""
    return COUNTRY if written == COUNTRY_WRITTEN else written


def short_name(name: str) -> str:
    """A unit's name as people say it: without 村民委员会 and 社区居民委员会."""
    for long, short in (("社区居民委员会", "社区"), ("社区村民委员会", "社区"), ("居民委员会", ""), ("村民委员会", "")):
        if name.endswith(long) and name != long:
            return name.removesuffix(long) + short
    return name


class UnitQuerySet(models.QuerySet["Unit"]):
    """Sentences about units."""

    def visible_to(self, user: access.Person) -> Self:
        """Units that the user's current posts cover."""
        return self.filter(access.within("code", user))

    def under(self, code: str) -> Self:
        """The unit with this code and everything below it."""
        return self.filter(code__startswith=code)

    def named(self, words: str) -> Self:
        """Units whose name contains the words or whose code begins with them."""
        return self.filter(Q(name__contains=words) | Q(code__startswith=words))


class Unit(models.Model):
    """Anything that can owe a task: a province … a village, a department, a site."""

    code = models.CharField(_("code"), max_length=24, primary_key=True, db_collation="C")
    name = models.CharField(_("name"), max_length=80)
    parent = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="children", verbose_name=_("belongs to")
    )
    # Computed by the database, so that code and kind can never disagree.
    kind = models.GeneratedField(
        expression=Case(
            When(code__contains="S", then=Value(Kind.SITE)),
            When(code__contains="D", then=Value(Kind.DEPARTMENT)),
            When(code="", then=Value(Kind.COUNTRY)),
            When(code__regex=r"^\d{2}$", then=Value(Kind.PROVINCE)),
            When(code__regex=r"^\d{4}$", then=Value(Kind.CITY)),
            When(code__regex=r"^\d{6}$", then=Value(Kind.COUNTY)),
            When(code__regex=r"^\d{9}$", then=Value(Kind.TOWNSHIP)),
            default=Value(Kind.VILLAGE),
        ),
        output_field=models.CharField(max_length=10, choices=Kind.choices),
        db_persist=True,
    )

    objects = UnitQuerySet.as_manager()

    class Meta:
        verbose_name = _("unit")
        ordering = ["code"]
        constraints = [
            models.CheckConstraint(
                name="unit_code_is_well_formed",
                condition=Q(code__regex=f"^{CODE_PATTERN}$"),
                violation_error_message=_("A code has 2, 4, 6, 9 or 12 digits, then D001 or S0001 at most once each."),
            ),
            models.CheckConstraint(
                name="unit_code_continues_its_parents",
                condition=Q(parent__isnull=True) | (Q(code__startswith=F("parent_id")) & ~Q(code=F("parent_id"))),
                violation_error_message=_("A unit's code begins with the code of the unit it belongs to."),
            ),
            models.CheckConstraint(
                name="unit_has_a_name", condition=~Q(name=""), violation_error_message=_("A unit needs a name.")
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def written_code(self) -> str:
        """The code as it is written where nothing cannot be."""
        return self.code or COUNTRY_WRITTEN

    @property
    def short_name(self) -> str:
        """The name as people say it."""
        return short_name(self.name)

    @property
    def kind_name(self) -> str:
        """The kind in the reader's language."""
        return str(Kind(self.kind).label)


class KindManager(models.Manager["Unit"]):
    """The units of one kind."""

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self.kind = kind

    def get_queryset(self) -> UnitQuerySet:
        return UnitQuerySet(self.model, using=self._db).filter(kind=self.kind)


class County(Unit):
    """县、市辖区."""

    objects: ClassVar[Any] = KindManager(Kind.COUNTY)

    class Meta:
        proxy = True
        verbose_name = _("county")


class Township(Unit):
    """乡镇、街道."""

    objects: ClassVar[Any] = KindManager(Kind.TOWNSHIP)

    class Meta:
        proxy = True
        verbose_name = _("township")


class Village(Unit):
    """村、社区."""

    objects: ClassVar[Any] = KindManager(Kind.VILLAGE)

    class Meta:
        proxy = True
        verbose_name = _("village")


class Department(Unit):
    """部门."""

    objects: ClassVar[Any] = KindManager(Kind.DEPARTMENT)

    class Meta:
        proxy = True
        verbose_name = _("department")


class Site(Unit):
    """点位: a place that is inspected by itself."""

    objects: ClassVar[Any] = KindManager(Kind.SITE)

    class Meta:
        proxy = True
        verbose_name = _("site")
