"""The least that could give the same pages: a bare WSGI function, psycopg2, strings that are joined.

No session, no rights, no languages, no templates, and nothing kept between two requests but the connection of each
thread: what is measured against this pays for all of these.

    GET  /board/<campaign>/<county>     the county's tallies as a heat map
    GET  /unit/<campaign>/<unit>        one village's page
    GET  /tasks/<campaign>/<unit>       the same tasks as "my tasks"
    POST /tick                          task, by, seen, state, event
"""

import os
import threading
from collections.abc import Callable, Iterable
from html import escape
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

import psycopg2

Start = Callable[[str, list[tuple[str, str]]], object]
_thread = threading.local()


def application(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    """The whole floor."""
    _, what, *words = environ["PATH_INFO"].split("/")
    if what == "tick":
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])).decode()
        page = tick(dict(parse_qsl(body)))
    else:
        page = PAGES[what](*words)
    answer = page.encode()
    start("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(answer)))])
    return [answer]


def link() -> Any:
    """The connection of this thread."""
    if not hasattr(_thread, "link"):
        _thread.link = psycopg2.connect(os.environ["DATABASE_URL"])
        _thread.link.autocommit = True
    return _thread.link


def rows(query: str, *values: object) -> list[Any]:
    """What a query finds."""
    with link().cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())


# ---- The board -----------------------------------------------------------------------------------------------------

TALLIES = """
    SELECT t.unit_id, u.name, sum(open)::int, sum(done)::int, sum(verified)::int, sum(returned)::int,
           coalesce(sum(open + returned) FILTER (WHERE due_on < (now() AT TIME ZONE 'Asia/Shanghai')::date), 0)::int
    FROM checklists_tally t JOIN villages_unit u ON u.code = t.unit_id
    WHERE campaign_id = %s AND unit_id LIKE %s GROUP BY 1, 2 ORDER BY 1
"""
WORDS = {"red": "红", "amber": "黄", "green": "绿", "none": "无"}


RANK = {"red": 0, "amber": 1, "green": 2, "none": 3}


def light(open_: int, done: int, verified: int, returned: int, overdue: int) -> str:
    """The colour of a unit."""
    applying = open_ + done + verified + returned
    if not applying:
        return "none"
    if not overdue and not returned:
        return "green"
    return "red" if overdue * 10 >= applying else "amber"


def board(campaign: str, county: str) -> str:
    """A row for each township, a cell for each village and for what the township owes itself; by need."""
    townships = {}
    for code, name, *counts in rows(TALLIES, campaign, f"{county}%"):
        if len(code) == 9:
            townships[code] = (name, counts, own := list(counts), cells := [])
        elif len(code) == 12:
            for n in range(5):
                own[n] -= counts[n]
            cells.append(cell(campaign, code, name, counts))
    parts = [f"<h1>{county}</h1>"]
    for code, (name, counts, own, cells) in sorted(townships.items(), key=lambda found: need(found[1][1])):
        colour, (open_, done, verified, returned, overdue) = light(*counts), counts
        applying = open_ + done + verified + returned or 1
        if any(own):
            cells.append(cell(campaign, code, "本级", own))
        cells.sort()
        parts.append(
            f'<section class="row-of-units"><div class="row-head"><h3><a href="?unit={code}">{escape(name)}</a></h3>'
            f'<span class="light light-{colour}" title="逾期 {overdue} 项，退回 {returned} 项">{WORDS[colour]}</span>'
            f'<a class="late" href="/campaigns/{campaign}/tasks/?show=overdue&amp;under={code}">{overdue} 项逾期</a>'
            f'<progress class="verified" max="100" value="{verified * 100 // applying}"></progress>'
            f'<progress class="claimed" max="100" value="{done * 100 // applying}"></progress></div>'
            f'<ul class="cells">{"".join(written for _, written in cells)}</ul></section>'
        )
    return "".join(parts)


def cell(campaign: str, code: str, name: str, counts: list[int]) -> tuple[tuple[int, int], str]:
    """One unit: how much it needs somebody, and how it is shown."""
    colour, returned, overdue = light(*counts), counts[3], counts[4]
    mark = f"<b>{overdue}</b>" if overdue else f"<b>↩{returned}</b>" if returned else ""
    return need(counts), (
        f'<li><a class="cell light-{colour}" href="/campaigns/{campaign}/units/{code}/"'
        f' title="{WORDS[colour]}：逾期 {overdue} 项，退回 {returned} 项"><span class="name">{escape(name)}</span>'
        f'{mark}<i class="letter">{WORDS[colour]}</i></a></li>'
    )


def need(counts: list[int]) -> tuple[int, int]:
    """Red first, then by how much is overdue."""
    return RANK[light(*counts)], -counts[4]


# ---- Lists of tasks ------------------------------------------------------------------------------------------------

TASKS = """
    SELECT t.id, t.state, to_char(t.due_on, 'MM月DD日'), t.due_on < (now() AT TIME ZONE 'Asia/Shanghai')::date,
           t.version, i.title, i.section, d.name, to_char(t.done_at, 'MM月DD日'), v.name
    FROM checklists_task t JOIN checklists_item i ON i.id = t.item_id
    LEFT JOIN villages_cadre d ON d.id = t.done_by_id LEFT JOIN villages_cadre v ON v.id = t.verified_by_id
    WHERE t.campaign_id = %s AND t.unit_id = %s ORDER BY
"""
STATES = {"open": "未完成", "done": "已自报", "verified": "已核实", "returned": "退回", "waived": "不涉及"}


def line(row: Any) -> str:
    """One task, with the form that ticks it or takes the tick back."""
    pk, state, due, late, version, title, _, done_by, done_at, verified_by = row
    name = escape(title)
    if state in ("open", "returned"):
        facts, form = f'<span class="due">{due}</span>', tap(pk, "done", version, name, "完成", "btn btn-tick")
    else:
        facts = f"<span>{escape(done_by)} {done_at}自报</span>" if done_by else ""
        facts += f"<span>{escape(verified_by)}核实</span>" if verified_by else ""
        form = tap(pk, "open", version, name, "撤销", "btn btn-sm btn-outline-secondary") if state == "done" else ""
    overdue = " overdue" if late and state in ("open", "returned") else ""
    return (
        f'<li id="task-{pk}" tabindex="-1" class="task state-{state}{overdue}">'
        f'<span class="state">{STATES[state]}</span>'
        f'<div class="what"><a href="/tasks/{pk}/">{name}</a><span class="facts">{facts}</span></div>{form}</li>'
    )


def tap(pk: int, to: str, version: int, name: str, words: str, look: str) -> str:
    """The form of one tap."""
    return (
        f'<form method="post" action="/tasks/{pk}/tick/" class="tick" hx-post="/tasks/{pk}/tick/"'
        f' hx-target="#task-{pk}" hx-swap="outerHTML" hx-disabled-elt="find button">'
        '<input type="hidden" name="csrfmiddlewaretoken" value="-"><input type="hidden" name="event"'
        f' value="{uuid4()}"><input type="hidden" name="state" value="{to}"><input type="hidden" name="seen"'
        f' value="{version}"><input type="hidden" name="next" value="/"><input type="hidden" name="show_unit" value="">'
        f'<button type="submit" class="{look}"><span>{words}</span>'
        f'<span class="visually-hidden">: {name}</span></button></form>'
    )


def unit(campaign: str, code: str) -> str:
    """One village: its tasks by section, what was said about them, who answers."""
    tasks = rows(TASKS + "i.position", campaign, code)
    said = rows(
        "SELECT e.task_id, c.name, e.note FROM checklists_taskevent e JOIN villages_cadre c ON c.id = e.by_id"
        " WHERE e.task_id = ANY (%s) AND e.note <> ''",
        [task[0] for task in tasks],
    )
    answers = rows(
        "SELECT r.kind, c.name, c.phone FROM checklists_responsibility r JOIN villages_cadre c ON c.id = r.cadre_id"
        " WHERE r.campaign_id = %s AND r.unit_id = %s",
        campaign,
        code,
    )
    parts = [f"<h1>{code}</h1>"]
    parts += [f"<p>{kind}: {escape(name)} {phone or ''}</p>" for kind, name, phone in answers]
    parts += [f"<p>{task}: {escape(name)}: {escape(note)}</p>" for task, name, note in said]
    section = None
    for task in tasks:
        if task[6] != section:
            section = task[6]
            parts.append(f'<h2>{escape(section)}</h2><ul class="tasks">')
        parts.append(line(task))
    return "".join(parts)


def tasks(campaign: str, code: str) -> str:
    """The tasks of one village by day."""
    return "".join(['<ul class="tasks">', *map(line, rows(TASKS + "t.due_on, i.position", campaign, code))])


# ---- A tick --------------------------------------------------------------------------------------------------------


def tick(form: dict[str, str]) -> str:
    """The task changes if it is as it was seen, and the event is appended: one transaction, triggers on."""
    done = form["state"] == "done"
    with link().cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(
            "UPDATE checklists_task SET state = %s, version = version + 1, done_by_id = %s,"
            " done_at = CASE WHEN %s THEN now() END WHERE id = %s AND version = %s",
            [form["state"], form["by"] if done else None, done, form["task"], form["seen"]],
        )
        if cursor.rowcount:
            cursor.execute(
                "INSERT INTO checklists_taskevent (id, task_id, by_id, from_state, to_state, note)"
                " VALUES (%s, %s, %s, %s, %s, '')",
                [form["event"], form["task"], form["by"], "open" if done else "done", form["state"]],
            )
        cursor.execute("COMMIT")
    return f'<li id="task-{form["task"]}" class="task state-{form["state"]}">{STATES[form["state"]]}</li>'


PAGES: dict[str, Callable[..., str]] = {
    "login": lambda *_: "up",  # what is asked to know whether the server has started
    "board": board,
    "unit": unit,
    "tasks": tasks,
}
