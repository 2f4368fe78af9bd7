"""Who and where: units, cadres and the posts that join them."""

from villages.models.boundary import Boundary, BoundaryQuerySet
from villages.models.cadre import KINDS_OF_ROLE, Cadre, CadreQuerySet, Post, PostQuerySet
from villages.models.unit import (
    CODE_PATTERN,
    COUNTRY,
    COUNTRY_WRITTEN,
    County,
    Department,
    Kind,
    Site,
    Township,
    Unit,
    UnitQuerySet,
    Village,
    code_of,
    short_name,
)

__all__ = [
    "CODE_PATTERN",
    "COUNTRY",
    "COUNTRY_WRITTEN",
    "KINDS_OF_ROLE",
    "Boundary",
    "BoundaryQuerySet",
    "Cadre",
    "CadreQuerySet",
    "County",
    "Department",
    "Kind",
    "Post",
    "PostQuerySet",
    "Site",
    "Township",
    "Unit",
    "UnitQuerySet",
    "Village",
    "code_of",
    "short_name",
]
