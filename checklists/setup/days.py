"""Dates as people write them."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _


class DayField(forms.DateField):
    """A date, as the browser's own calendar sends it or as people write it: 2026-5-13, 2026.5.13, 2026年5月13日."""

    widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(input_formats=["%Y-%m-%d", "%Y.%m.%d", "%Y/%m/%d", "%Y年%m月%d日"], **kwargs)
        self.error_messages["invalid"] = _("This is no full date of the calendar; write it like 2026-12-31.")
