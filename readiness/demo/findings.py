"""A few findings of the demo: one of every sort, as they would have come in over three weeks."""

import random
import uuid
from datetime import date, timedelta
from typing import Any, NamedTuple

from django.utils import timezone

from checklists.findings import usual_due
from checklists.models import Campaign, Check, Finding, FindingEvent, FindingStep
from readiness.demo.people import HOST, LIAISON, TOWN, VILLAGE, Roster
from readiness.demo.story import office_time
from villages.models import Cadre

SEED = 11
State, What = Finding.State, FindingEvent.What


class Told(NamedTuple):
    """One finding: where, how it came in, what it says, when it was found and is due (days from today), and so on."""

    unit: str
    source: str
    severity: int
    what: str
    found: int
    due: int
    # What happened, one letter each: p planned, f fixed, s sent back, c confirmed, r reopened, a answered.
    then: str = ""
    fix_now: str = ""
    change_for_good: str = ""


FINDINGS = (
    Told(VILLAGE, "mock", 2, "普查宣传栏还是去年的内容，村口看不到入户时间安排", -9, -2, "p",
         "三天内换上新的宣传栏", "每月第一周由副主任检查更换"),
    Told(VILLAGE, "complaint", 1, "村民反映入户时间没有提前告知，白天多数家里没人", -6, 4),
    Told(LIAISON[1], "check", 2, "两员培训签到表与实际到场人数对不上", -12, 3, "fsf", "按实补签，注明缘由"),
    Told(LIAISON[2], "leader", 3, "普查区图纸没有上墙，分片包干到人没有公示", -16, -6, "fc", "图纸和分片表上墙"),
    Told(LIAISON[3], "mock", 1, "摸底表存放在个人家中，没有专柜", -20, -8, "fcr", "配专柜加锁", "专人专柜，交接登记"),
    Told(TOWN, "speech", 2, "学习文件停留在转发，没有结合本镇实际讨论", -18, 6, "p", "本周班子会专题讨论"),
    Told(f"{HOST}D007", "ledger", 2, "培训台账与财政拨付清单人数相差两人", -5, 1, "f", "逐人核对并更正台账"),
    Told(LIAISON[2], "complaint", 1, "反映村务公开栏字太小，老人看不清", -17, -4, "f"),
    Told("511504102201", "complaint", 1, "反映村委会夜间无人接待补报", -14, -5, "fac"),
)  # fmt: skip
SAID = {"f": "已按要求整改", "s": "现场看还差一处，补齐后再报", "c": "现场看过，整改到位", "r": "回头看发现又散放了"}


def make(campaign: Campaign, roster: Roster, *, on: date) -> int:
    """Writes them with their history; how many."""
    rng = random.Random(SEED)  # noqa: S311 - a story, not a secret
    told = [one for one in FINDINGS if roster.team(one.unit).doers and roster.team(one.unit).checkers]
    there = Finding.objects.filter(campaign=campaign).count()  # what rounds found
    for number, one in enumerate(told, start=there + 1):
        _write(campaign, roster, rng, number, one, on)
    return len(told)


def of_checks(campaign: Campaign, failing: list[Check], roster: Roster, rng: random.Random) -> None:
    """One for each claim that a round found not to hold, after those that are there, as `open_finding` would."""
    first = Finding.objects.filter(campaign=campaign).count() + 1
    for number, check in enumerate(failing, start=first):
        task, found = check.task, timezone.localdate(check.at)
        due = usual_due(Finding.Severity.MINOR, found)
        doer = roster.team(task.unit_id).doers[0]
        finding = Finding.objects.create(
            campaign=campaign, number=number, source=Finding.Source.MOCK, severity=Finding.Severity.MINOR,
            unit_id=task.unit_id, task=task, item=task.item, check_seen=check, what=check.remark,
            found_on=found, found_by=check.by, responsible=doer, due_on=due,
        )  # fmt: skip
        opened = _line(rng, finding, check.by, What.OPENED, check.remark, found, 0, day=due, to=doer)
        opened.at = check.at
        opened.save(force_insert=True)


def _write(campaign: Campaign, roster: Roster, rng: random.Random, number: int, one: Told, on: date) -> None:
    team = roster.team(one.unit)
    doer, checker = team.doers[0], next(cadre for cadre in team.checkers if cadre not in team.doers)
    due = on + timedelta(days=one.due)
    finding = Finding(
        campaign=campaign, number=number, source=one.source, severity=one.severity, unit_id=one.unit, what=one.what,
        found_on=on + timedelta(days=one.found), found_by=checker, responsible=doer, due_on=due,
        fix_now=one.fix_now, change_for_good=one.change_for_good,
    )  # fmt: skip
    day = one.found
    lines = [_line(rng, finding, checker, What.OPENED, one.what, on, day, day=due, to=doer)]
    for step in one.then:
        day = min(day + rng.randint(1, 3), -1)
        by = doer if step in "pf" else checker
        match step:
            case "p":
                said = f"当下改: {one.fix_now}; 长久立: {one.change_for_good or '—'}"
                lines.append(_line(rng, finding, by, What.PLANNED, said, on, day))
            case "f":
                lines.append(_line(rng, finding, by, What.FIXED, SAID[step], on, day))
                finding.state, finding.fixed_by, finding.fixed_at = State.FIXED, by, lines[-1].at
            case "c":
                finding.state, finding.confirmed_by = State.CLOSED, by
                finding.look_back_on = on + timedelta(days=12)
                lines.append(_line(rng, finding, by, What.CONFIRMED, SAID[step], on, day, day=finding.look_back_on))
                finding.confirmed_at = lines[-1].at
            case "s" | "r":
                finding.state = State.OPEN
                finding.fixed_by = finding.fixed_at = finding.confirmed_by = finding.confirmed_at = None
                finding.look_back_on = None
                if step == "r":
                    finding.came_back, finding.due_on = finding.came_back + 1, on + timedelta(days=5)
                what = What.REOPENED if step == "r" else What.SENT_BACK
                lines.append(_line(rng, finding, by, what, SAID[step], on, day, to=doer))
            case "a":
                finding.answer, finding.answered_by = "已安排夜间值班到八点，并电话告知反映人", by
                lines.append(_line(rng, finding, by, What.ANSWERED, finding.answer, on, day))
                finding.answered_at = lines[-1].at
    finding.version = len(lines) - 1
    finding.save(force_insert=True)
    if "p" in one.then:
        FindingStep.objects.create(finding=finding, what=one.fix_now, due_on=due)
    FindingEvent.objects.bulk_create(lines)


def _line(
    rng: random.Random, finding: Finding, by: Cadre, what: str, note: str, on: date, ago: int, **more: Any
) -> FindingEvent:
    at = office_time(on + timedelta(days=ago), rng.randrange(30_000))
    return FindingEvent(
        id=uuid.UUID(int=rng.getrandbits(128), version=4), finding=finding, by=by, what=what, note=note, at=at, **more
    )
