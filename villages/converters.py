"""URL converters."""

from villages.models import CODE_PATTERN, COUNTRY_WRITTEN, code_of


class UnitCodeConverter:
    """A unit's code; anything else is no address of ours (404)."""

    regex = f"(?:{COUNTRY_WRITTEN}|(?=[0-9DS]){CODE_PATTERN})"

    def to_python(self, value: str) -> str:
        return code_of(value)

    def to_url(self, value: str) -> str:
        return value or COUNTRY_WRITTEN
