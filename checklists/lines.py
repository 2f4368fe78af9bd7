"""One line of a list of tasks as HTML, and the region that a tick swaps; its root has the id task-<id>.

Written by joining strings: a template takes several times as long, and a list has sixty of them (docs/decisions.md).
Everything that people have written is escaped where it is put in.
"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from functools import cache, lru_cache, partial
from html import escape
from typing import Any
from uuid import uuid4

from django.middleware.csrf import get_token
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format, localize
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from checklists import ticks
from checklists.forms import TickForm
from checklists.models import HelpRequest, State, Task, TaskEvent
from villages.http import CadreRequest


class Lines:
    """Writes the lines of one page; what all of them share is looked up once."""

    def __init__(self, request: CadreRequest, *, back: str, show_unit: bool) -> None:
        """`back`: where a form leads without JavaScript. `show_unit`: each line names the task's unit."""
        self.user = request.user
        self.show_unit = show_unit
        self.today = timezone.localdate()
        self.address = reverse("task", args=[0]).removesuffix("0/")
        self.sent = (  # the same in every form
            f'<input type="hidden" name="csrfmiddlewaretoken" value="{get_token(request)}">'
            f'<input type="hidden" name="next" value="{escape(back)}">'
            f'<input type="hidden" name="show_unit" value="{"1" if show_unit else ""}">'
        )
        self.done, self.verified, self.undo = escape(_("Done")), escape(_("It is so")), escape(_("Undo"))
        self.help = escape(_("Help"))
        self.ticked_by, self.verified_by = _("ticked by %(who)s, %(day)s"), _("verified by %(who)s")
        self.states = {
            state: f'<span class="state state-{state}">{escape(str(label))}</span>' for state, label in State.choices
        }
        self.unproven = f'<span class="unproven is-due">{escape(_("proof still missing"))}</span>'
        self.asks_proof = f'<span class="unproven">{escape(_("needs proof"))}</span>'
        self.due = cache(partial(_due, self.today))
        self.day = cache(_day)
        self.known: dict[tuple[object, ...], set[str]] = {}

    def all(
        self,
        tasks: Iterable[Task],
        said: dict[int, TaskEvent] | None = None,
        calls: dict[int, HelpRequest] | None = None,
    ) -> list[dict[str, Any]]:
        """What a template shows of each task: `task`, `html`, and `said`, the last word about it (by the task's id).

        `calls` (by the task's id) stand in the line instead of the last word.
        """
        words, calling = said or {}, calls or {}
        return [
            {
                "task": task,
                "said": words.get(task.pk),
                "html": self.write(task, said=words.get(task.pk), call=calling.get(task.pk)),
            }
            for task in tasks
        ]

    def write(
        self,
        task: Task,
        *,
        said: TaskEvent | None = None,
        call: HelpRequest | None = None,
        outcome: ticks.Outcome | None = None,
        form: TickForm | None = None,
        conflict: str = "",
    ) -> SafeString:
        """One line; after a change also how it ended, what is wrong with what was sent, or why it was not made."""
        name = escape(task.item.name)
        link = f"{self.address}{task.pk}/"
        choices = self.choices(task)
        unit = escape(task.unit.short_name) if self.show_unit else ""
        spoken = f'<span class="visually-hidden">: {name}{", " if unit else ""}{unit}</span>'
        first, last = self.states[task.state], ""
        if "done" in choices and task.is_owed:
            value = _value(task, form) if task.asks_value else ""
            button = f'btn btn-tick"><i class="bi bi-check-lg" aria-hidden="true"></i><span>{self.done}</span>{spoken}'
            first = self.tap(task, "done", button, value)
            last = f'<a class="btn btn-sm btn-outline-secondary" href="{link}#obstacle">{self.help}{spoken}</a>'
        elif "verified" in choices and task.state == State.DONE:
            look = f'btn btn-tick btn-verify"><i class="bi bi-eye" aria-hidden="true"></i><span>{self.verified}</span>'
            first = self.tap(task, "verified", look + spoken)
            last = (
                f'<a class="btn btn-sm btn-outline-secondary" href="{link}#to-returned">{escape(_("Return it"))}'
                f'<span class="visually-hidden">: {name}</span></a>'
            )
        else:
            first = f'<span class="tick">{first}</span>'
            if "open" in choices and task.state == State.DONE:
                last = self.tap(task, "open", f'btn btn-sm btn-outline-secondary"><span>{self.undo}</span>{spoken}')
        return mark_safe(  # noqa: S308 - see above
            f'<li id="task-{task.pk}" tabindex="-1" class="task state-{task.state}'
            f'{" overdue" if task.is_overdue(self.today) else ""}">{first}'
            f'<div class="what"><a href="{link}">{name}</a><span class="facts">{self.facts(task, unit)}</span>'
            f"{_called(call, link) if call else _said(said) if said else ''}{_ended(task, outcome, form, conflict)}"
            f"</div>{last}</li>"
        )

    def choices(self, task: Task) -> set[str]:
        """What the reader may do, worked out once for tasks that are alike in all that `access.OwedTask` says."""
        where = (task.campaign_id, task.unit_id, task.height)
        alike = (*where, task.state, task.retired_at is None, task.done_by_id, task.done_for_id, *task.rests_on)
        if alike not in self.known:
            self.known[alike] = ticks.choices(self.user, task)
        return self.known[alike]

    def tap(self, task: Task, to: str, button: str, value: str = "") -> str:
        """The form of one tap, which leads to a state. `button`: its classes and what is in it."""
        action = f"{self.address}{task.pk}/tick/"
        return (
            f'<form method="post" action="{action}" class="{"untick" if to == "open" else "tick"}" hx-post="{action}"'
            f' hx-target="#task-{task.pk}" hx-swap="outerHTML" hx-disabled-elt="find button">{self.sent}'
            f'<input type="hidden" name="event" value="{uuid4()}">'
            f'<input type="hidden" name="state" value="{to}">'
            f'<input type="hidden" name="seen" value="{task.version}">'
            f'{value}<button type="submit" class="{button}</button></form>'
        )

    def facts(self, task: Task, unit: str) -> str:
        """Where, by when or by whom, and what was measured."""
        facts = f"<span>{unit}</span>" if unit else ""
        if task.is_owed:
            facts += self.due(task.due_on)
            if task.state == State.RETURNED:
                facts += self.states[task.state]
        elif task.done_by is not None and task.done_at is not None:
            who, day = task.done_by.name, self.day(timezone.localdate(task.done_at))
            facts += f"<span>{escape(self.ticked_by % {'who': who, 'day': day})}</span>"
        if task.verified_by is not None:
            facts += f"<span>{escape(self.verified_by % {'who': task.verified_by.name})}</span>"
        if task.waits_for_proof:
            facts += self.unproven
        elif task.is_owed and task.lacks_proof:
            facts += self.asks_proof
        if task.value is not None:
            measured = f"{task.item.measure} {_number(task.value)}{task.item.unit_of_measure}"
            facts += f"<span>{escape(measured)}</span>"
        return facts


def _due(today: date, day: date) -> str:
    """When it is due, in words."""
    late = (today - day).days
    if late > 0:
        words = ngettext("overdue by %(n)s day", "overdue by %(n)s days", late) % {"n": late}
    elif late == 0:
        words = _("due today")
    else:
        words = _("due %(day)s") % {"day": _day(day)}
    return f'<span class="due">{escape(words)}</span>'


def _value(task: Task, form: TickForm | None) -> str:
    """Where the measured value is entered."""
    number = "" if task.value is None else _number(task.value)
    if form is not None:
        number = form.data.get("value", "")
    wrong = f' aria-invalid="true" aria-describedby="wrong-{task.pk}"' if form and form.errors.get("value") else ""
    asked = "" if task.target is None else f"{task.item.operator} {_number(task.target)}"
    return (
        f'<label class="value"><span class="visually-hidden">{escape(_("Value"))}</span>'
        '<input name="value" inputmode="decimal" autocomplete="off" class="form-control form-control-sm" required'
        f' value="{escape(number)}" placeholder="{escape(asked)}"{wrong}></label>'
    )


def _said(event: TaskEvent) -> str:
    """The last word."""
    return (
        '<span class="said"><i class="bi bi-chat-left-text" aria-hidden="true"></i>'
        f" {escape(event.by.name)}: {escape(event.note)}</span>"
    )


def _called(call: HelpRequest, link: str) -> str:
    """The call for help that waits, as a way to it."""
    words = _("%(who)s calls for help: %(obstacle)s") % {"who": call.asked_by.name, "obstacle": call.obstacle}
    return (
        f'<a class="said call" href="{link}#call"><i class="bi bi-life-preserver" aria-hidden="true"></i>'
        f" {escape(words)}</a>"
    )


def _ended(task: Task, outcome: ticks.Outcome | None, form: TickForm | None, conflict: str) -> str:
    """How a change ended."""
    words = ""
    if conflict:
        words += f'<p class="complaint" role="alert">{escape(conflict)}</p>'
    if form is not None and form.errors:
        words += f'<p class="complaint" role="alert" id="wrong-{task.pk}">{escape(form.complaint)}</p>'
    if outcome is not None and outcome.result is ticks.Result.ALREADY:
        words += f'<p class="word" role="status">{escape(_("This was so already."))}</p>'
    if outcome is not None and outcome.result is ticks.Result.CHANGED:
        words += f'<p class="word" role="status">{escape(_("Saved."))}</p>'
    return words


def _number(value: Decimal) -> str:
    """Without the zeros at its end."""
    return str(localize(value.normalize()))


def _day(day: date) -> str:
    return _day_in(get_language(), day)


@lru_cache(maxsize=1000)
def _day_in(language: str, day: date) -> str:
    """In the language that is on: lists of many people name the same days."""
    return str(date_format(day, "MONTH_DAY_FORMAT"))
