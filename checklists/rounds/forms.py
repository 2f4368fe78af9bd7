"""What people send about rounds, checked before anything is written."""

import json
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import RequestDataTooBig, ValidationError
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from checklists.days import DayField
from checklists.forms import EventForm
from checklists.models import Check, Round
from villages.models import Cadre
from villages.residents import Words

LONGEST_REMARK = 1000
NOBODY = {
    "required": gettext_lazy("Choose at least one inspector first."),
    "invalid_choice": gettext_lazy("One of these people is not on your roster (any more)."),
    "invalid_pk_value": gettext_lazy("One of these people is not on your roster (any more)."),
}
MOST_AT_ONCE = 200  # entries in one request; a phone sends them by fifties


class CheckForm(EventForm):
    """What was seen of one task; `by` names who is meant to send it, since another may be logged in by now."""

    task = forms.IntegerField(
        min_value=1,
        max_value=2**63 - 1,
        error_messages=dict.fromkeys(("required", "invalid"), gettext_lazy("Say which task it is about.")),
    )
    result = forms.ChoiceField(
        choices=Check.Result.choices,
        error_messages={
            "required": gettext_lazy("Say what you saw."),
            "invalid_choice": gettext_lazy("There is no such result: %(value)s"),
        },
    )
    remark = Words(
        required=False,
        max_length=LONGEST_REMARK,
        error_messages={
            "max_length": gettext_lazy("Write at most %(limit_value)d characters; these are %(show_value)d.")
        },
    )
    at = forms.CharField(required=False)
    by = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)

    def clean_remark(self) -> str:
        """What can be kept: half of a character pair cannot."""
        remark: str = self.cleaned_data["remark"]
        try:
            remark.encode()
        except UnicodeEncodeError as error:
            raise ValidationError(_("There are characters in it that cannot be kept. Write it again.")) from error
        return remark

    def clean_at(self) -> datetime | None:
        """By the phone's clock; what makes no sense is left away rather than the entry lost."""
        try:
            at = datetime.fromisoformat(self.cleaned_data["at"])
            return at if timezone.is_aware(at) and 2000 < at.year < 2100 else None
        except ValueError:
            return None


class FinishForm(forms.Form):
    """The end of a round; `left` is how many tasks its sender knows nobody has looked at."""

    left = forms.IntegerField(
        min_value=0,
        max_value=10**6,
        error_messages={"required": gettext_lazy("Open this page again and repeat.")},
    )


class PlanForm(forms.Form):
    """Who goes where: as proposed, or by hand, which says why."""

    rhythm = forms.ChoiceField(
        label=gettext_lazy("Rhythm"),
        choices=Round.Rhythm.choices,
        error_messages={"required": gettext_lazy("Say which of the four it is.")},
    )
    unit = forms.CharField(max_length=20, error_messages={"required": gettext_lazy("Say which unit.")})
    inspector = forms.ModelMultipleChoiceField(
        queryset=Cadre.objects.none(),
        error_messages=NOBODY,
    )
    on = DayField(label=gettext_lazy("Planned for"), required=False)
    by_hand = forms.BooleanField(required=False)
    why = Words(
        label=gettext_lazy("Reason"),
        required=False,
        max_length=400,
        error_messages={
            "max_length": gettext_lazy("Write at most %(limit_value)d characters; these are %(show_value)d.")
        },
    )

    def __init__(self, *args: Any, user: Cadre, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people: Any = self.fields["inspector"]
        people.queryset = Cadre.objects.visible_to(user)

    def clean(self) -> dict[str, Any]:
        """Whoever plans by hand says why; nobody is sent yesterday."""
        sent = super().clean() or {}
        if sent.get("by_hand") and not sent.get("why"):
            self.add_error("why", _("Say why this unit: it stays with the round."))
        if sent.get("on") and sent["on"] < timezone.localdate():
            self.add_error("on", _("This day is already past."))
        return sent

    @property
    def complaint(self) -> str:
        """The first thing that is wrong."""
        return next((str(messages[0]) for messages in self.errors.values()), "")


class ReliefForm(EventForm):
    """Who goes instead, and why; `was` names who goes now, as the page showed it."""

    inspector = forms.ModelMultipleChoiceField(
        queryset=Cadre.objects.none(),
        error_messages=NOBODY,
    )
    was = forms.RegexField(
        r"^[0-9]{1,18}(,[0-9]{1,18}){0,99}$",
        error_messages=dict.fromkeys(("required", "invalid"), gettext_lazy("Open this page again and repeat.")),
    )
    reason = Words(
        label=gettext_lazy("Why others go"),
        max_length=400,
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
        error_messages={"required": gettext_lazy("Say why others go: it stays with the round.")},
    )

    def __init__(self, *args: Any, user: Cadre, visit: Round, **kwargs: Any) -> None:
        """Who goes already is on the list, wherever they work."""
        super().__init__(*args, **kwargs)
        people: Any = self.fields["inspector"]
        people.queryset = Cadre.objects.filter(
            Q(pk__in=Cadre.objects.visible_to(user).values("pk")) | Q(pk__in=visit.inspectors.values("pk"))
        )

    def clean_was(self) -> list[int]:
        """As numbers."""
        return [int(pk) for pk in self.cleaned_data["was"].split(",")]


class BadBody(Exception):
    """A request that cannot be read at all; `status` and words for the phone that sent it."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


def entries(request: HttpRequest) -> list[dict[str, Any] | None]:
    """A list of entries in JSON, each with plain values as a form would send them; None where it is no entry.

    Raises:
        BadBody: it is no such list, or too much.
    """
    if request.headers.get("Content-Encoding"):
        raise BadBody(415, _("Send it as it is, not compressed."))
    try:
        found = json.loads(request.body, object_pairs_hook=_once, parse_constant=_no_number)
    except RequestDataTooBig as error:
        raise BadBody(413, _("This is too much at once; nothing was saved. Send it in parts.")) from error
    except (ValueError, RecursionError) as error:
        raise BadBody(400, _("This cannot be read; nothing was saved. Open the page again.")) from error
    if not isinstance(found, list) or not found:
        raise BadBody(400, _("This cannot be read; nothing was saved. Open the page again."))
    if len(found) > MOST_AT_ONCE:
        raise BadBody(413, _("This is too much at once; nothing was saved. Send it in parts."))
    return [_plain(one) for one in found]


def _plain(entry: object) -> dict[str, Any] | None:
    if not isinstance(entry, dict):
        return None
    return {name: value for name, value in entry.items() if isinstance(value, str | int) and value is not True}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object none of whose keys stands twice: which of the two would count?"""
    if len({name for name, _value in pairs}) < len(pairs):
        raise ValueError
    return dict(pairs)


def _no_number(_name: str) -> None:
    """NaN and the infinities."""
    raise ValueError
