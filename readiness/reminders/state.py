"""How the sending is doing: which processes live, what waits, what is stuck; and the red bar when nothing goes out."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.core.cache import caches
from django.db import connection
from django.db.models import Count, F, Min, Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe

from checklists.models import Campaign, Evidence, StorageLook
from readiness import health
from readiness.models import Channel, Gateway, Heartbeat, Notice, Sender
from readiness.reminders import restored
from villages import access
from villages.access import Action
from villages.http import CadreRequest
from villages.models import Cadre, Post

KEPT = 15  # seconds that all pages show the same alarm
LOOKED = "looked_at_the_alarm"  # where it stays with the person of a request
RECENT = timedelta(days=7)
SHOWN = 100  # gateways
# Part -> what people call it, and what stands still without it.
PARTS: dict[str, tuple["str | Promise", "str | Promise"]] = {
    "beat": (gettext_lazy("the clock"), gettext_lazy("nothing is planned or sent by itself")),
    "worker": (gettext_lazy("the planner"), gettext_lazy("no new reminders are written")),
    "sender": (gettext_lazy("the sender"), gettext_lazy("reminders wait and do not go out")),
}
# The parts that are silent by the database's clock, with their last sign of life; without a part: the pause. And how
# many notices a person has not read, and whether they go on rounds, which the frame of every page shows beside it; twin
# of `Notice.objects.visible_to(user).unread()` and `Round.objects.of(user)`.
# A sign of tomorrow was left before the clock was set back by a day, and says nothing about now.
ALARM = """
    SELECT part, at, '' FROM unnest(%(parts)s::text[]) part LEFT JOIN readiness_heartbeat USING (part)
    WHERE at IS NULL OR at NOT BETWEEN now() - make_interval(secs => %(silent)s) AND now() + interval '12 hours'
    UNION ALL
    SELECT '', paused_at, paused_because FROM readiness_sender WHERE paused_at IS NOT NULL
    UNION ALL
    SELECT 'unread', NULL, count(*)::text FROM readiness_notice
    WHERE cadre_id = %(cadre)s AND channel = 'inbox' AND read_at IS NULL
    UNION ALL
    SELECT 'rounds', NULL, '' WHERE EXISTS (SELECT FROM checklists_round_inspectors WHERE cadre_id = %(cadre)s)
    ORDER BY part
"""
# The last two alone, where nobody asks for the alarm.
FRAME = """
    SELECT (SELECT count(*) FROM readiness_notice WHERE cadre_id = %(cadre)s AND channel = 'inbox' AND read_at IS NULL),
           EXISTS (SELECT FROM checklists_round_inspectors WHERE cadre_id = %(cadre)s)
"""


@dataclass(frozen=True)
class Alarm:
    """Why reminders do not go out. Says nothing that changes by the minute: a board that is kept carries it."""

    silent: tuple[tuple[str, datetime | None], ...] = ()  # part, its last sign of life
    paused_at: datetime | None = None
    paused_because: str = ""

    def __bool__(self) -> bool:
        return bool(self.silent or self.paused_at)

    @property
    def lines(self) -> list[str]:
        """What is wrong, each in a sentence."""
        said = []
        for part, at in self.silent:
            name, effect = PARTS.get(part, (part, ""))
            told = {"part": name, "effect": effect, "when": _moment(at) if at else ""}
            if at is None:
                said.append(_("No sign of life from %(part)s so far: %(effect)s.") % told)
            else:
                said.append(_("No sign of life from %(part)s since %(when)s: %(effect)s.") % told)
        if self.paused_at:
            told = {"when": _moment(self.paused_at), "why": self.paused_because}
            said.append(_("Reminders are held back since %(when)s: %(why)s.") % told)
        return said


def _moment(at: datetime) -> str:
    return timezone.localtime(at).strftime("%m-%d %H:%M")


def alarm(user: access.Person) -> Alarm:
    """What whoever leads or runs campaigns is told on every page; nothing for others. No query while it is kept."""
    if not access.watches(user) or not isinstance(user, Cadre):
        return Alarm()
    kept: Alarm | None = caches["default"].get("alarm")
    if kept is None:
        _, kept = look(user)
        caches["default"].set("alarm", kept, KEPT)
    return kept


@dataclass(frozen=True)
class Framed:
    """What the frame of every page shows of a person: how many notices are unread, whether rounds wait or waited."""

    unread: int
    has_rounds: bool


def framed(user: Cadre) -> Framed:
    """Read along with the alarm, which comes further down the page; one query for each person of a request."""
    alarm(user)
    looked: tuple[Framed, Alarm] | None = vars(user).get(LOOKED)
    if looked is not None:
        return looked[0]
    with connection.cursor() as cursor:
        cursor.execute(FRAME, {"cadre": user.pk})
        return Framed(*cursor.fetchone())


def look(user: Cadre) -> tuple[Framed, Alarm]:
    """What the frame shows, and the alarm as it is now. One query for each person of a request."""
    looked: tuple[Framed, Alarm] | None = vars(user).get(LOOKED)
    if looked is None:
        with connection.cursor() as cursor:
            cursor.execute(
                ALARM, {"parts": list(health.PARTS), "silent": health.SILENT.total_seconds(), "cadre": user.pk}
            )
            rows = cursor.fetchall()
        count = next(int(count) for part, _at, count in rows if part == "unread")
        paused = next(((at, because) for part, at, because in rows if not part), (None, ""))
        silent = tuple((part, at) for part, at, _because in rows if part in health.PARTS)
        frame = Framed(count, any(part == "rounds" for part, _at, _said in rows))
        looked = vars(user)[LOOKED] = frame, Alarm(silent, *paused)
    return looked


@dataclass(frozen=True)
class Part:
    """A process, or what it works with."""

    name: "str | Promise"
    is_well: bool
    word: str  # what it answered, or when it last did
    effect: "str | Promise" = ""  # what stands still without it, or what is wrong with it
    when_not: str = ""  # what it is if it is not well; without a word: silent


@dataclass(frozen=True)
class Queue:
    """Notices in one state."""

    status: Notice.Status
    count: int
    waits_since: datetime | None  # the oldest that should have gone out


@require_safe
def state(request: CadreRequest) -> HttpResponse:
    """Processes, what they work with, the queue and the gateways of the reader's offices."""
    access.require(access.may_run_some(request.user))
    now = timezone.now()
    gateways = Gateway.objects.visible_to(request.user).in_use().select_related("unit", "campaign")
    stuck = gateways.filter(Q(failures__gt=0) | Q(open_until__gt=now)).order_by(F("open_until").desc(nulls_last=True))
    return render(
        request,
        "reminders/state.html",
        {
            "now": now,
            "parts": [*_parts(now), _proofs(now)],
            "sender": Sender.objects.select_related("changed_by").first(),
            "may_release": access.may_release(request.user, _highest()),
            "queues": _queues(request.user, now),
            "aside": Notice.objects.filter(status=Notice.Status.ASIDE).count(),
            "gateways": stuck[:SHOWN],
            "in_use": gateways.count(),
        },
    )


@require_POST
def release(request: CadreRequest) -> HttpResponse:
    """Lets notices go out again after a restore; what was put aside goes out too if that is asked for."""
    access.require(access.may_run_some(request.user))
    access.require(access.may_release(request.user, _highest()))
    again = restored.release(by=request.user, resend="resend" in request.POST)
    caches["default"].delete("alarm")
    said = _("Reminders go out again.")
    if again:
        too = ngettext("%(n)d that was put aside goes out too.", "%(n)d that were put aside go out too.", again)
        said += " " + too % {"n": again}
    messages.success(request, said)
    return redirect("state")


def _highest() -> int:
    return Post.objects.current(timezone.localdate()).highest(Action.RUN)


def _parts(now: datetime) -> list[Part]:
    """Waits at most a second for Redis; three queries."""
    began = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    took = _("answered in %(n)d ms") % {"n": round((time.perf_counter() - began) * 1000)}
    seen = dict(Heartbeat.objects.values_list("part", "at"))
    down = health.down()
    redis = "redis" not in down
    return [
        *(Part(name, part not in down, _ago(seen.get(part), now), effect) for part, (name, effect) in PARTS.items()),
        Part(_("the database"), True, took),
        Part(
            _("Redis"),
            redis,
            _("answers") if redis else _("no answer within a second"),
            _("what is urgent waits up to a minute longer; nothing is lost"),
        ),
    ]


def _proofs(now: datetime) -> Part:
    """What the nightly look through the storage says of the files of proof; names are for its log. Two queries."""
    last, name = StorageLook.objects.first(), _("the files of proof")
    if last is None:
        return Part(name, True, _("not looked through so far"))
    found_wrong = Evidence.objects.there().exclude(found_wrong="").order_by()
    rows = dict(found_wrong.values_list("found_wrong").annotate(n=Count("pk")))
    wrong = {
        _("%(n)d missing"): rows.get(Evidence.Wrong.MISSING, 0),
        _("%(n)d changed"): rows.get(Evidence.Wrong.DIFFERS, 0),
        _("%(n)d without a record"): last.orphans,
        _("%(n)d unreadable"): last.unread,
    }
    found = [words % {"n": n} for words, n in wrong.items() if n]
    word = ngettext("%(n)d file looked at, %(ago)s ago", "%(n)d files looked at, %(ago)s ago", last.looked_at)
    said = [word % {"n": last.looked_at, "ago": timesince(last.at, now)}]
    said += [_("%(n)d left for the next look") % {"n": last.left}] if last.left else []
    effect = _("%(wrong)s; manage.py check_proofs names them") % {"wrong": _(", ").join(found)}
    return Part(name, not found, _(", ").join(said), effect, _("not whole"))


def _ago(at: datetime | None, now: datetime) -> str:
    if at is None:
        return _("no sign of life so far")
    if now - at < timedelta(minutes=2):
        return _("last sign of life %(n)d s ago") % {"n": max((now - at).total_seconds(), 0)}
    return _("last sign of life %(ago)s ago") % {"ago": timesince(at, now)}


def _queues(reader: Cadre, now: datetime) -> list[Queue]:
    """What waits, what got stuck and what arrived in the last days, of the campaigns that the reader runs."""
    run = Campaign.objects.filter(access.reached("host__code", reader, Action.RUN)).values_list("pk", flat=True)
    waiting = Q(status__in=(Notice.Status.PENDING, Notice.Status.SENDING))
    late = Min("due_at", filter=waiting & Q(due_at__lte=now))
    found = (
        Notice.objects.filter(waiting | Q(on__gte=timezone.localdate(now) - RECENT), about__overlap=list(run))
        .exclude(channel=Channel.INBOX)
        .values_list("status")
        .annotate(n=Count("pk"), late=late)
        .order_by()
    )
    counted: dict[str, tuple[int, Any]] = {status: (n, since) for status, n, since in found}
    return [Queue(status, *counted[status]) for status in Notice.Status if status in counted]
