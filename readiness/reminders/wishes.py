"""How one cadre is told: by which ways, when not, under which names; a test of each way; the secret calendar."""

import math
from datetime import time
from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import HTML, Column, Layout, Row, Submit
from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from readiness.models import PERSONAL, ROBOTS, Account, Channel, Gateway, Wishes
from readiness.reminders import breaker, channels, feed, limits
from villages.http import CadreRequest
from villages.models import Cadre

LONGEST_QUIET = 14 * 60  # minutes: a whole evening, night and early morning; what waits longer comes too late
DAY = 24 * 60
# As the platforms make them. No "@all", no "|" and no ",": one name is one person there.
ACCOUNT = RegexValidator(
    r"^[A-Za-z0-9][A-Za-z0-9_.@-]*\Z",
    gettext_lazy("An account has Latin letters, digits and _ . @ - only, and is one person's."),
)


def ways(cadre: Cadre) -> dict[str, Gateway | None]:
    """By which channels the cadre can be told beside the inbox, each with the nearest office's gateway. One query."""
    serving: dict[str, Gateway | None] = {gateway.channel: gateway for gateway in Gateway.objects.serving(cadre)}
    return {Channel.MAIL.value: None} | {channel: serving[channel] for channel in Channel.values if channel in serving}


class ClockField(forms.TimeField):
    """A time of day, 00:00 to 23:59."""

    def __init__(self, **kwargs: Any) -> None:
        wrong = {"invalid": gettext_lazy("Enter a time such as 21:00.")}
        super().__init__(widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"), error_messages=wrong, **kwargs)

    def to_python(self, value: Any) -> time | None:
        """Says how midnight is written, and that nobody is quiet all day."""
        if str(value).strip().startswith("24:"):
            raise ValidationError(_("Midnight is written 00:00. A whole day cannot be quiet: at most 14 hours."))
        return super().to_python(value)


class WishesForm(forms.Form):
    """Which ways, quiet hours, one's own addresses."""

    wanted = forms.MultipleChoiceField(
        label=gettext_lazy("Tell me by"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("What you do not tick stays silent. The inbox here gets everything, always."),
    )
    quiet_from = ClockField(label=gettext_lazy("Quiet from"))
    quiet_until = ClockField(label=gettext_lazy("Quiet until"))
    email = forms.EmailField(
        label=gettext_lazy("My e-mail"),
        required=False,
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
        error_messages={
            "invalid": gettext_lazy("Enter one address such as lisi@example.gov.cn; Latin letters before the @.")
        },
    )

    def __init__(self, *args: Any, ways: dict[str, Gateway | None], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        wanted: Any = self.fields["wanted"]
        wanted.choices = [(way, Channel(way).label) for way in ways]
        self.accounts = {channel: f"account_{channel}" for channel in PERSONAL if channel in ways}
        for channel, field in self.accounts.items():
            self.fields[field] = forms.CharField(
                label=ACCOUNT_LABELS[channel],
                required=False,
                max_length=64,
                validators=[ACCOUNT],
                widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
                help_text=gettext_lazy("Your admin finds it in the platform's address book."),
            )
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.layout = Layout(
            "wanted",
            Row(Column("quiet_from", css_class="col-6 col-md-3"), Column("quiet_until", css_class="col-6 col-md-3")),
            HTML('<p class="hint">{{ quiet_hint }}</p>'),
            "email",
            *self.accounts.values(),
            Submit("save", _("Save")),
        )

    def clean(self) -> dict[str, Any]:
        """Quiet hours go over midnight if need be; the same time twice means none."""
        data = super().clean() or {}
        begin, end = data.get("quiet_from"), data.get("quiet_until")
        if begin is not None and end is not None and _minutes(begin, end) > LONGEST_QUIET:
            self.add_error(
                "quiet_until",
                _("That would be %(hours)s hours. At most 14, else what is due today would reach you tomorrow.")
                % {"hours": f"{math.ceil(_minutes(begin, end) / 6) / 10:g}"},
            )
        return data


ACCOUNT_LABELS = {
    Channel.DINGTALK: gettext_lazy("My DingTalk account (userid)"),
    Channel.WECOM: gettext_lazy("My WeCom account (UserID)"),
    Channel.FEISHU: gettext_lazy("My Feishu account (open_id)"),
}


def _minutes(begin: time, end: time) -> int:
    """How long from one time of day to the next time it is the other; 0 if they are the same."""
    return ((end.hour - begin.hour) * 60 + end.minute - begin.minute) % DAY


@require_http_methods(["GET", "HEAD", "POST"])
def wishes(request: CadreRequest) -> HttpResponse:
    """How I am told; POST saves it all at once."""
    known, mine = _kept(request.user), ways(request.user)
    if request.method != "POST":
        return _page(request, known, mine)
    form = WishesForm(request.POST, ways=mine)
    if not form.is_valid():
        return _page(request, known, mine, form=form, status=422)
    save(request.user, form, mine)
    messages.success(request, _("Saved."))
    return redirect("wishes")


@require_POST
def test(request: CadreRequest) -> HttpResponse:
    """Sends me one message now by the way that was asked for, and shows what the platform answered."""
    mine = ways(request.user)
    way = request.POST.get("channel", "")
    if way not in mine:
        messages.error(request, _("By which way? Choose one of the buttons."))
        return _page(request, _kept(request.user), mine, status=422)
    messages.info(request, try_out(request.user, way, mine[way]))
    return redirect("wishes")


@require_POST
def calendar(request: CadreRequest) -> HttpResponse:
    """Makes a new address of my calendar, shown this once, or switches it off."""
    mine = ways(request.user)
    match request.POST.get("do"):
        case "make":
            address = request.build_absolute_uri(reverse("calendar", args=[feed.make(request.user)]))
            return _page(request, _kept(request.user), mine, address=address)
        case "end":
            feed.end(request.user)
            messages.success(request, _("Switched off: the address of your calendar opens nothing any more."))
            return redirect("wishes")
    messages.error(request, _("Make the address anew, or switch it off?"))
    return _page(request, _kept(request.user), mine, status=422)


def try_out(cadre: Cadre, channel: str, gateway: Gateway | None) -> str:
    """Sends the cadre, or a robot's group, one message now; what came of it, in words for people.

    It counts as every message does, so that no test makes the platform shut the notices out. The gateway remembers it,
    as it does when a notice is sent: a test that worked closes its breaker.
    """
    circuit = breaker.of(gateway)
    try:
        to = "" if channel in ROBOTS else channels.account(channel, cadre)
    except channels.Refused as unknown:  # which says nothing about the platform
        return str(unknown)
    if seconds := limits.wait(str(gateway.pk if gateway else channel), channel):
        return _("Too many messages in a short time for this platform: try again in %(n)d seconds.") % {
            "n": math.ceil(seconds)
        }
    try:
        accepted = channels.tried(gateway, to)
    except channels.Refused as wrong:
        circuit.answered(str(wrong))
        return str(wrong)
    except channels.Later as wrong:
        if not wrong.limited:
            circuit.failed(str(wrong))
        return str(wrong)
    except channels.Unclear as wrong:
        circuit.failed(str(wrong))
        return str(wrong)
    circuit.answered()
    if accepted.platform_id:
        return _("The platform took the message (number %(id)s).") % {"id": accepted.platform_id}
    return _("The platform took the message.")


@transaction.atomic
def save(cadre: Cadre, form: WishesForm, ways: dict[str, Gateway | None]) -> None:
    """Keeps what a valid form says; ways that it did not offer stay as they were."""
    data = form.cleaned_data
    kept = set(_kept(cadre).unwanted) - set(ways)
    Wishes.objects.update_or_create(
        cadre=cadre,
        defaults={
            "unwanted": sorted(kept | (set(ways) - set(data["wanted"]))),
            "quiet_from": data["quiet_from"],
            "quiet_until": data["quiet_until"],
        },
    )
    Cadre.objects.filter(pk=cadre.pk).update(email=data["email"])
    for channel, field in form.accounts.items():
        if data[field]:
            Account.objects.update_or_create(cadre=cadre, channel=channel, defaults={"name": data[field]})
        else:
            Account.objects.filter(cadre=cadre, channel=channel).delete()


def _kept(cadre: Cadre) -> Wishes:
    """What the cadre wishes; the defaults without a row, which is then not written."""
    return Wishes.objects.filter(cadre=cadre).first() or Wishes(cadre=cadre)


def _page(
    request: CadreRequest,
    known: Wishes,
    mine: dict[str, Gateway | None],
    *,
    form: WishesForm | None = None,
    address: str = "",
    status: int = 200,
) -> HttpResponse:
    if form is None:
        names = dict(Account.objects.filter(cadre=request.user).values_list("channel", "name"))
        start = {
            "wanted": [way for way in mine if way not in known.unwanted],
            "quiet_from": known.quiet_from,
            "quiet_until": known.quiet_until,
            "email": request.user.email,
        }
        start |= {f"account_{channel}": name for channel, name in names.items()}
        form = WishesForm(ways=mine, initial=start)
    context = {
        "form": form,
        "ways": [(way, Channel(way).label) for way in mine],
        "has_calendar": known.feed_digest is not None,
        "address": address,
        "quiet_hint": _("Urgent calls come in quiet hours too. The same time twice: no quiet hours."),
    }
    return render(request, "reminders/wishes.html", context, status=status)
