"""Dates as people write them."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from checklists.models import Campaign

FULL = re.compile(r"([0-9]{4})[-./年]([0-9]{1,2})[-./月]([0-9]{1,2})[日号]?")
SHORT = re.compile(r"([0-9]{1,2})(?:[-./]([0-9]{1,2})|月([0-9]{1,2})[日号]?)")
# What may follow a day and does not change it: midnight, as Excel adds it, and 前: done by that day.
TAIL = re.compile(r"(?:(?<=[0-9])[T\s]+0{1,2}:00(?::00)?|(?:之|以)?前)\Z")
LONGEST = 40


def within_ten_years(day: date) -> None:
    """For the days of inspections: a year mistyped is not ten centuries of plans.

    Raises:
        ValidationError: the day lies more than ten years ahead.
    """
    if day > timezone.localdate() + timedelta(days=3653):
        raise ValidationError(_("This lies more than ten years ahead. Look at the year."))


class NotADay(ValueError):
    """Why a text is no day of the calendar, in the reader's language."""


@dataclass(frozen=True)
class Span:
    """The days on which something of a campaign can be due: from its first day to the inspection or its last phase."""

    first: date
    last: date

    @classmethod
    def of(cls, campaign: Campaign) -> "Span":
        """One query."""
        ends = campaign.phases.values_list("ends_on", flat=True)
        return cls(campaign.starts_on, max([campaign.last_day, *ends]))

    def complaint(self, day: date) -> str:
        """Why nothing can be due on this day; empty if it can."""
        if day < self.first:
            return _("This lies before the campaign's first day.")
        if day > self.last:
            return _("This lies after the inspection.")
        return ""


def read_day(text: str, first: date | None = None, last: date | None = None) -> date:
    """The day that a text names: 2026-5-13, 2026.5.13, 2026年5月13日, 5月13号, 5/13, 5.13; full-width digits too.

    A day without a year is the one between `first` and `last`. Words such as 月底前 are never turned into a day.

    Raises:
        NotADay: it names none, none that exists, or without a year none or several between the two days.
    """
    plain = "".join(TAIL.sub("", unicodedata.normalize("NFKC", text[:LONGEST]).strip()).split())
    if full := FULL.fullmatch(plain):
        year, month, day = (int(digits) for digits in full.groups())
        return _existing(year, month, day)
    short = SHORT.fullmatch(plain)
    if not short:
        raise NotADay(_("This is no full date of the calendar; write it like 2026-12-31."))
    month, day = (int(digits) for digits in short.groups() if digits)
    _existing(2000, month, day)  # a leap year
    if first is None or last is None:
        raise NotADay(_("The year is missing; write it like 2026-12-31."))
    found = [one for one in (_or_none(year, month, day) for year in range(first.year, last.year + 1)) if one]
    fitting = [one for one in found if first <= one <= last]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise NotADay(_("More than one year fits; write it like 2026-12-31."))
    raise NotADay(
        _("There is no such day from %(first)s to %(last)s, the time of this campaign.")
        % {"first": date_format(first, "DATE_FORMAT"), "last": date_format(last, "DATE_FORMAT")}
    )


def _existing(year: int, month: int, day: int) -> date:
    found = _or_none(year, month, day)
    if found is None:
        raise NotADay(_("The calendar has no such day."))
    return found


def _or_none(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


class DayField(forms.DateField):
    """A date, as the browser's own calendar sends it or as people write it; without a year only within a span."""

    widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    default_error_messages = {"required": gettext_lazy("Enter a day.")}

    def __init__(self, *, first: date | None = None, last: date | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.first, self.last = first, last

    def to_python(self, value: Any) -> date | None:
        """Read by people's rules instead of a list of formats."""
        if value in self.empty_values or isinstance(value, date):
            return value or None
        try:
            return read_day(str(value), self.first, self.last)
        except NotADay as error:
            raise ValidationError(str(error), code="invalid") from error
