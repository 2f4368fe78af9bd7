"""Where units lie."""

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from villages import access
from villages.models.cadre import Cadre
from villages.models.unit import Unit


class BoundaryQuerySet(models.QuerySet["Boundary"]):
    """Sentences about boundaries."""

    def visible_to(self, user: access.Person) -> Self:
        """Boundaries of units that the user's posts cover."""
        return self.filter(access.within("unit__code", user))

    def below(self, code: str) -> Self:
        """Of everything below the unit with this code, without the unit itself."""
        return self.filter(unit__code__startswith=code).exclude(unit=code)


class Boundary(models.Model):
    """The border of a unit on the map. Made by villages/boundaries, which checks and simplifies."""

    unit = models.OneToOneField(Unit, models.CASCADE, primary_key=True, related_name="boundary", verbose_name=_("unit"))
    # A GeoJSON Polygon or MultiPolygon: degrees, longitude first, five decimals (about a metre).
    geometry = models.JSONField()
    # Details smaller than about this many metres were left out; 0 = as it was loaded.
    detail = models.PositiveIntegerField()
    loaded_at = models.DateTimeField(default=timezone.now)
    loaded_by = models.ForeignKey(Cadre, models.PROTECT, related_name="+", db_index=False)

    objects = BoundaryQuerySet.as_manager()

    class Meta:
        verbose_name = _("boundary")
        constraints = [
            models.CheckConstraint(
                name="boundary_is_an_area",
                condition=Q(geometry__has_key="type", geometry__type__in=["Polygon", "MultiPolygon"]),
            ),
        ]

    def __str__(self) -> str:
        return str(self.unit)
