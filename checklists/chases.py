"""催办: someone above presses a unit for what is due, by hand and with a reason.

At most once for each task and day, whoever does it; each is a line of the task's history that everyone sees.
"""

import uuid
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from checklists import noted
from checklists.models import Chase, Responsibility, Task, TaskEvent
from checklists.ticks import Conflict
from villages import access
from villages.models import Cadre

NOTHING_DUE = gettext_lazy("Nothing of this is due any more, or its campaign does not run.")
HEARS = (Responsibility.Kind.FIRST, Responsibility.Kind.DIRECT)


class Chased(NamedTuple):
    """What came of it."""

    now: list[Chase]  # also those of a repeat
    before: list[Chase]  # chased earlier today, by somebody or other


def is_due(task: Task, on: date) -> bool:
    """Whether it can be chased: it is owed, its day has come, and its campaign runs."""
    return task.is_owed and task.due_on <= on and task.campaign.is_running


def hearers(answers: Iterable[Responsibility], by: Cadre) -> list[Responsibility]:
    """Of those in office who answer for a unit, the ones who hear: first and direct. Nobody chases themselves."""
    return [one for one in answers if one.kind in HEARS and one.cadre_id != by.pk]


def chase(tasks: list[Task], *, by: Cadre, event: uuid.UUID, reason: str) -> Chased:
    """Chases those of one unit's tasks in one campaign that are due and were not chased today.

    Args:
        tasks: one or several.

    Raises:
        Conflict: of these tasks none is due, each was chased today, or nobody would hear.
        PermissionDenied: only those above chase.
    """
    today = timezone.localdate()
    said = _("Chased: %(reason)s") % {"reason": reason}
    with noted.all_held(tasks) as held:
        lines = {task.pk: noted.line(uuid.uuid5(event, str(task.pk)), task, by, said) for task in held}
        if repeated := _repeated(lines, tasks):
            return Chased(repeated, [])
        due = [task for task in held if is_due(task, today)]
        if not due:
            raise Conflict(NOTHING_DUE, tasks[0])
        campaign, unit = due[0].campaign, due[0].unit
        access.require(access.may_chase(by, unit.pk))
        before = list(Chase.objects.filter(task__in=due, on=today).select_related("by"))
        left = [lines[pk] for pk in [task.pk for task in due] if pk not in {chase.task_id for chase in before}]
        if not left:
            raise Conflict(chased_before(before[0]), due[0])
        if not hearers(Responsibility.objects.of_unit(campaign, unit, on=today), by):
            raise Conflict(
                _("Nobody else answers for %(unit)s, so nobody would hear. Name someone first.") % {"unit": unit.name},
                due[0],
            )
        TaskEvent.objects.bulk_create(left)
        new = [Chase(task=line.task, by=by, on=today, at=line.at, reason=reason) for line in left]
        return Chased(Chase.objects.bulk_create(new), before)


def chased_before(chase: Chase) -> str:
    """Who chased today, and when."""
    at = date_format(timezone.localtime(chase.at), "H:i")
    return _("%(who)s chased this at %(time)s today; once a day is enough.") % {"who": chase.by.name, "time": at}


def _repeated(lines: dict[int, TaskEvent], tasks: list[Task]) -> list[Chase]:
    """The chases that the same event made before; none if it is new.

    Raises:
        Conflict: its number was used for something else.
    """
    earlier = list(TaskEvent.objects.filter(pk__in=[line.pk for line in lines.values()]))
    if any((line.by_id, line.note) != (lines[line.task_id].by_id, lines[line.task_id].note) for line in earlier):
        raise noted.used_before(tasks[0])
    at = {(line.task_id, line.at) for line in earlier}
    return [chase for chase in Chase.objects.filter(task__in=lines) if (chase.task_id, chase.at) in at] if at else []
