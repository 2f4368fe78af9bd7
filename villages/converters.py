"""URL converters."""

from villages.models import CODE_PATTERN


class UnitCodeConverter:
    """A unit's code; anything else is no address of ours (404)."""

    regex = CODE_PATTERN

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value
