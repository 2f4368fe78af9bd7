"""What is sent beside the bytes, checked before anything is written."""

import uuid
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from checklists.evidence.arriving import Announced

MOST_ATTACHED = 100


class SaysWhy(forms.Form):
    """A form whose complaint is one line."""

    @property
    def complaint(self) -> str:
        """The first thing that is wrong; else that nothing was chosen."""
        for wrong in self.errors.values():
            return str(wrong[0])
        return str(_("Choose a file first."))


class AttachForm(SaysWhy):
    """Files that are there already."""

    attach: Any = forms.Field(required=False, widget=forms.SelectMultiple)

    def clean_attach(self) -> list[uuid.UUID]:
        """Their numbers."""
        chosen = self.cleaned_data["attach"] or []
        try:
            return [uuid.UUID(one) for one in chosen[:MOST_ATTACHED]]
        except ValueError as error:
            raise ValidationError(_("This is no file of ours. Open the page again.")) from error


class AnnouncementForm(SaysWhy):
    """A file that comes in parts."""

    upload = forms.UUIDField()
    name = forms.CharField(max_length=2000, strip=False, required=False)
    size = forms.IntegerField(min_value=0, max_value=2**31 - 1)
    sha256 = forms.RegexField(r"^[0-9a-f]{64}\Z", required=False)
    from_camera = forms.NullBooleanField(required=False)
    whole = forms.CharField()  # sent last: without it the line was cut, and half a number would stand for the size

    @property
    def announced(self) -> Announced:
        """As `arriving` takes it."""
        data = self.cleaned_data
        return Announced(data["upload"], data["name"], data["size"], data["sha256"], data["from_camera"])
