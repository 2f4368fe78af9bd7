"""What a board says in words: the answer in one line, and why a unit has its colour. Pure."""

from collections.abc import Iterable
from datetime import date

from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _

from readiness.boards.figures import Board
from readiness.boards.forecast import Forecast, NoForecast
from readiness.boards.light import Counts, Light

# What the lights of a board are counted over, by the places of the board's unit.
COUNTED: dict[int | None, "str | Promise"] = {
    0: gettext_lazy("cities"),
    2: gettext_lazy("counties"),
    4: gettext_lazy("townships"),
    6: gettext_lazy("villages and departments"),
    9: gettext_lazy("villages"),
    None: gettext_lazy("units"),
}


def answer(
    shown: Board, days_left: int, forecast: Forecast | NoForecast | None, *, closed_on: date | None = None
) -> str:
    """How many days are left, how many units are red, will we make it, how much has been checked.

    Args:
        closed_on: the day on which the campaign was closed: from then on no day is left for anything.
    """
    total = shown.total
    parts = []
    if closed_on is not None:
        parts.append(_("closed on %(day)s") % {"day": date_format(closed_on, "DATE_FORMAT")})
    elif days_left > 0:
        parts.append(ngettext("%(n)s day left", "%(n)s days left", days_left) % {"n": days_left})
    elif days_left == 0:
        parts.append(_("the inspection is today"))
    else:
        ago = ngettext("the inspection was %(n)s day ago", "the inspection was %(n)s days ago", -days_left)
        parts.append(ago % {"n": -days_left})
    if not total.applying:
        return join([*parts, _("no task applies here")])
    lights = dict(shown.lights)
    parts.append(
        _("%(red)s of %(all)s %(what)s are red")
        % {
            "red": lights[Light.RED],
            "all": sum(lights.values()),
            "what": COUNTED[None if shown.at is None else len(shown.at)],
        }
    )
    if isinstance(forecast, Forecast):
        parts.append(
            ngettext(
                "at the pace of the last %(n)s working day %(low)s–%(high)s%% will be claimed by the inspection",
                "at the pace of the last %(n)s working days %(low)s–%(high)s%% will be claimed by the inspection",
                forecast.pace_days,
            )
            % {"n": forecast.pace_days, "low": forecast.low_percent, "high": forecast.high_percent}
        )
    else:
        parts.append(_("%(percent)s%% claimed and not yet verified") % {"percent": total.claimed_percent})
    parts.append(_("%(percent)s%% verified") % {"percent": total.verified_percent})
    return join(parts)


def why(light: Light, counts: Counts, *, vetoes: bool, is_vacant: bool = False) -> str:
    """Why a unit has its colour, as one sentence without a stop."""
    parts = []
    if vetoes and counts.vetoes:
        said = ngettext("%(n)s veto item not done", "%(n)s veto items not done", counts.vetoes)
        parts.append(said % {"n": counts.vetoes})
    if counts.overdue:
        parts.append(ngettext("%(n)s overdue", "%(n)s overdue", counts.overdue) % {"n": counts.overdue})
    if counts.returned:
        parts.append(ngettext("%(n)s returned", "%(n)s returned", counts.returned) % {"n": counts.returned})
    if not parts and counts.applying:
        parts.append(_("nothing overdue or returned"))
    if is_vacant:
        parts.append(_("nobody answers"))
    if not parts:
        return light.label
    return _("%(light)s: %(reasons)s") % {"light": light.label, "reasons": _(", ").join(parts)}


def join(parts: Iterable[str]) -> str:
    """One line; a sentence begins with a capital where there are any."""
    said = _("; ").join(parts)
    return said[:1].upper() + said[1:] if get_language() == "en" else said
