"""What people and broken programs send: never a 500, nothing half written, nothing typed is lost, in plain words."""

import html
import re
import tempfile
import unicodedata
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from django import forms
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.test import Client
from django.urls import get_resolver
from django.utils import timezone

from checklists import course
from checklists.days import Span
from checklists.evidence import arriving
from checklists.evidence.photos import looked_at
from checklists.evidence.refusals import Refused
from checklists.models import Campaign, Task, TaskEvent
from checklists.setup import pasting
from checklists.setup.itemform import ItemForm
from checklists.setup.seen import SeenForm
from checklists.setup.what import WhatForm
from tests import factories
from tests.checklists.test_ticks import HTMX, everything, send
from villages.models import Cadre
from villages.residents import REFUSAL, no_identity_number

LogIn = Callable[[str], Client]
CHINESE = re.compile(r"[\u3400-\u9fff]")
# Two Latin letters on end are a word that nobody translated.
LATIN = re.compile(r"[A-Za-z]{2,}")
COMPILED = any(settings.LOCALE_PATHS[0].glob("zh_Hans/LC_MESSAGES/django.mo"))
LANGUAGES = ("zh-hans", "en")
languages = pytest.mark.parametrize("language", LANGUAGES)
both_ways = pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])


def speaking(client: Client, language: str) -> Client:
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = language
    return client


def complaints(answer: HttpResponse) -> list[str]:
    """What the answer says is wrong, as a reader sees it."""
    found = re.findall(r'<p class="(?:complaint|alert alert-warning)"[^>]*>(.*?)</p>', answer.text, re.DOTALL)
    found += re.findall(r'<div class="alert alert-warning" role="alert">\s*<p>(.*?)</p>', answer.text, re.DOTALL)
    return [html.unescape(words).strip() for words in found]


def check_language(words: str, language: str, typed: str = "") -> None:
    """Whole sentences in the reader's language; what they typed themselves does not count."""
    for form in {typed, unicodedata.normalize("NFKC", typed), typed.strip()} - {""}:
        words = words.replace(form, "")
    if language == "en":
        assert not CHINESE.search(words), words
        assert LATIN.search(words), words
    elif COMPILED:
        assert CHINESE.search(words), words
        assert not LATIN.search(words), words


def typed_in(answer: HttpResponse, words: str) -> bool:
    """Whether a field of the answer holds the words as they were typed."""
    fields = re.findall(r'<textarea[^>]*>(.*?)</textarea>|name="value"[^>]*?value="([^"]*)"', answer.text, re.DOTALL)
    return words in {html.unescape(text).lstrip("\r\n") for found in fields for text in found}


@dataclass(frozen=True)
class Bad:
    """Something sent by mistake. `kept`: what must still stand in a field of the page that answers."""

    name: str
    fields: dict[str, Any]
    item: str = "v-3"
    kept: str = ""
    says: str = ""  # a part of the English message, where several could be meant
    by: str = "lan"
    on_lines: bool = True  # False: the line of a list has no field for this
    state: str = "open"

    def __repr__(self) -> str:
        return self.name.replace(" ", "-")


def value(name: str, raw: str, says: str = "not a number", **more: Any) -> Bad:
    return Bad(name, {"value": raw, "note": "还差一点"}, kept=raw, says=says, **more)


NIL = "00000000-0000-0000-0000-000000000000"
HOUSEHOLDS = {
    "metric": "未改厕户数",
    "metric_en": "Households",
    "operator": "<=",
    "value": 0,
    "unit": "户",
    "basis": "stated",
}
ID = "3f2a8c1e-9b4d-4e6f-8a7b-1c2d3e4f5a6b"
# Made up: the check digit is right, the number was given to nobody that we know of.
RESIDENTS = {
    "plain": "511504190001010037",
    "with an X": "51150419000101007X",
    "with a small x in full width": "５１１５０４１９０００１０１００７ｘ",
    "in groups": "511504 1900 0101 0037",
    "with hyphens": "511504-19000101-0037",
    "in wide groups": "511504\u300019000101\u30000037",
}
NO_RESIDENTS = {
    "wrong check digit": "511504190001010036",
    "no such month": "511504190013010034",
    "part of a longer number": "5115041900010100370",
    "of a bank": "6222021234567890123",
    "a number of an order": "202611291234567890",
    "a mobile number": "13812345678",
    "two counts": "51150419000101 户 0037",
    "a unit's code": "511504101202",
}
BAD = [
    *(
        Bad(f"event {name}", {"event": raw, "value": "12", "note": "等水泥"}, kept="等水泥", says="number")
        for name, raw in {
            "missing": None,
            "empty": "",
            "short": ID[:-1],
            "long": ID + "0",
            "in braces": f"{{{ID}}}",
            "without hyphens": ID.replace("-", ""),
            "with hyphens elsewhere": "3f2a-8c1e9b4d-4e6f-8a7b-1c2d3e4f5a6b",
            "as a URN": "urn:" + ID.replace("-", ""),
            "of 36 wrong letters": "z" * 36,
            "in full-width digits": "１" * 8 + ID[8:],
            "in hexadecimal notation": "0x" + ID[2:],
            "nil": NIL,
            "of blanks": " " * 36,
            "with blanks around": f" {ID} ",
        }.items()
    ),
    value("NaN", "NaN"),
    value("sNaN", "sNaN"),
    value("inf", "inf"),
    value("minus infinity", "-Infinity"),
    value("1e309", "1e309"),
    value("1e9999999", "1e9999999"),
    value("1e3", "1e3"),
    value("underscore", "1_000"),
    value("thousands", "1,000"),
    value("Chinese digits", "十二"),
    value("text", "very good"),
    value("markup", '"><script>alert(1)</script>', says=""),
    value("two numbers", "12 13"),
    value("below zero", "-1", says="below 0"),
    value("percentage of 101", "101", says="above 100"),
    value("percentage of 101 with its sign", "101%", says="above 100"),
    value("percentage in full width", "１０１％", says="above 100"),
    value("five decimals", "12.34567", says="four decimal"),
    value("tiny", "0." + "0" * 30 + "1", says="four decimal"),
    value("ten to the thirteenth", str(10**13), says="above 100"),
    Bad("ten to the twelfth", {"value": str(10**12)}, item="v-9", kept=str(10**12), says="too large", on_lines=False),
    value("forty-one digits", "1" * 41, says="40"),
    value("NUL", "1\0", says="ull"),
    Bad("below the target", {"value": "89.9999"}, state="done", kept="89.9999", says="stays open"),
    Bad("event with a NUL", {"event": ID[:-1] + "\0"}),
    Bad("no value", {}, state="done", says="Enter the measured value"),
    Bad("value where nothing is measured", {"value": "5"}, item="v-1", state="done", says="Nothing is measured"),
    Bad("note of 2,001", {"note": "长" * 2001}, kept="长" * 2001, says="2001", on_lines=False),
    Bad("note of 10,001", {"note": "长" * 10_001}, kept="长" * 10_001, says="10001", on_lines=False),
    Bad("NUL in a note", {"note": "等\0水泥"}, kept="等\0水泥", says="ull", on_lines=False),
    *(
        Bad(
            f"identity number {name}",
            {"note": f"联系人{raw}，已上门"},
            kept=f"联系人{raw}，已上门",
            says="identity numbers",
            on_lines=False,
        )
        for name, raw in RESIDENTS.items()
        if name in ("plain", "in groups")
    ),
    Bad("waived without a reason", {}, state="waived", by="tang", says="reason"),
    Bad("waived with blanks as a reason", {"note": " \u3000\r\n"}, state="waived", by="tang", says="reason"),
    Bad("value of a waiver", {"value": "5", "note": "没有"}, state="waived", by="tang", kept="没有", on_lines=False),
    Bad("seen is no number", {"seen": "x", "note": "等水泥"}, kept="等水泥", on_lines=False),
    Bad("seen below zero", {"seen": "-1", "note": "等水泥"}, kept="等水泥", on_lines=False),
    Bad("seen beyond all bounds", {"seen": "9" * 30, "note": "等水泥"}, kept="等水泥", on_lines=False),
]


@pytest.fixture
def campaign(cast: dict[str, Cadre]) -> Campaign:
    """Of three items: one plain, one measured in percent, one in households."""
    lines = [
        factories.line("v-1"),
        factories.line("v-3", target=factories.AWARENESS),
        factories.line("v-9", target=HOUSEHOLDS),
    ]
    return factories.campaign(of=factories.template(items=lines), on=timezone.localdate())


@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_a_mistake_is_named_and_nothing_is_written(bad: Bad, campaign: Campaign, as_: LogIn) -> None:
    task, client = factories.task(campaign, bad.item), as_(bad.by)
    body = {k: v for k, v in (factories.body(bad.state) | bad.fields).items() if v is not None}
    before = everything()
    for language, htmx in product(LANGUAGES, (False, True)):
        answer = send(speaking(client, language), task, body, htmx=htmx)
        assert answer.status_code == 422
        first, *_ = complaints(answer)
        check_language(first, language, body["value"])
        if language == "en":
            assert bad.says in first
        if not htmx and bad.kept:
            assert typed_in(answer, bad.kept)
        if htmx and bad.item == "v-3" and body["value"] and bad.on_lines:
            assert typed_in(answer, body["value"])
    assert everything() == before


@pytest.mark.parametrize(
    ("number", "raw", "stored"),
    [
        ("v-3", "１２", "12"),
        ("v-3", " 12 ", "12"),
        ("v-3", "\u300012．5\u3000", "12.5"),
        ("v-3", "12%", "12"),
        ("v-3", "12 ％", "12"),
        ("v-3", "0", "0"),
        ("v-3", "-0", "0"),
        ("v-3", "100", "100"),
        ("v-3", "12.3456", "12.3456"),
        ("v-3", "007", "7"),
        ("v-9", "999999999999.9999", "999999999999.9999"),
        ("v-9", "101", "101"),
    ],
)
def test_a_number_is_understood_as_people_write_it(
    number: str, raw: str, stored: str, campaign: Campaign, as_: LogIn
) -> None:
    task = factories.task(campaign, number)
    assert send(as_("lan"), task, factories.body("open", value=raw)).status_code == 302
    task.refresh_from_db()
    assert (task.state, task.value) == ("open", Decimal(stored))
    assert TaskEvent.objects.get().value == Decimal(stored)


def test_an_id_in_capitals_is_the_same_id(campaign: Campaign, as_: LogIn) -> None:
    task, lan, body = factories.task(campaign), as_("lan"), factories.body(event=ID)
    assert send(lan, task, body).status_code == 302
    assert send(lan, task, body | {"event": ID.upper()}).status_code == 302
    assert TaskEvent.objects.get().pk == uuid.UUID(ID)


def test_the_value_reached_before_counts_at_the_tick(campaign: Campaign, as_: LogIn) -> None:
    task, lan = factories.task(campaign, "v-3"), as_("lan")
    send(lan, task, factories.body("open", value="95"))
    assert send(lan, task, factories.body("done")).status_code == 302
    assert send(lan, task, factories.body("done", value="10")).status_code == 422
    task.refresh_from_db()
    assert (task.state, task.value) == ("done", 95)


@pytest.mark.parametrize("words", NO_RESIDENTS.values(), ids=NO_RESIDENTS)
def test_other_numbers_may_be_written(words: str) -> None:
    no_identity_number(words)
    assert looked_at_text(words) == "text"


@pytest.mark.parametrize("words", RESIDENTS.values(), ids=RESIDENTS)
def test_words_a_text_and_a_file_name_with_an_identity_number_are_refused(words: str) -> None:
    with pytest.raises(ValidationError):
        no_identity_number(words)
    with pytest.raises(Refused) as why:
        looked_at_text(f"姓名\t{words}\n")
    assert why.value.message == REFUSAL
    with pytest.raises(Refused, match=re.escape(str(REFUSAL))):
        arriving._fits(arriving.Announced(uuid.uuid4(), "", 1), f"{words}.jpg")


def looked_at_text(words: str) -> str:
    with tempfile.TemporaryFile() as file:
        file.write(words.encode())
        return looked_at(file, "1.txt").kind


# Fields of one line that are looked up, chosen from or sealed, and never kept as anybody's words.
NOT_WORDS = {
    *("q", "so", "at", "unit", "up", "down", "item", "before", "after", "whole", "host", "value", "number"),
    *("LedgerFilter.responsible", "TaskFilter.section", "TaskFilter.kind", "TaskFilter.responsible"),
    *("AnnouncementForm.name", "NoticeFilter.name"),  # a file's name is looked at in arriving.py
    *("password", "old_password", "new_password1", "new_password2", "username"),
}


def all_forms(base: type[forms.BaseForm]) -> Iterator[type[forms.BaseForm]]:
    for form in base.__subclasses__():
        yield from all_forms(form)
        if form.__module__.split(".")[0] in ("checklists", "villages", "readiness"):
            yield form


def test_every_field_that_people_write_in_refuses_identity_numbers(campaign: Campaign) -> None:
    """Of forms; those made of models are told when they are made."""
    get_resolver().url_patterns  # noqa: B018 - imports all views, and with them all forms
    open_ = set()
    for form in all_forms(forms.BaseForm):
        if issubclass(form, SeenForm):
            continue
        for name, field in form.base_fields.items():  # type: ignore[attr-defined]
            if type(field) is forms.CharField and not {name, f"{form.__name__}.{name}"} & NOT_WORDS:
                open_.add(f"{form.__name__}.{name}")
    assert open_ == set()
    item = campaign.items.get(number="v-1")
    for made in (WhatForm(instance=campaign), ItemForm(campaign=campaign, instance=item)):
        for name, field in made.fields.items():
            assert not isinstance(field, forms.CharField) or no_identity_number in field.validators, name


def test_a_paste_with_an_identity_number_names_its_cell(campaign: Campaign) -> None:
    sheet = pasting.Sheet(Span.of(campaign), campaign.inspects_on)
    (fault,) = pasting.read(f"标题\t标准\t责任单位\n入户\t{RESIDENTS['in groups']}\t村\n", sheet).faults
    assert (fault.row, fault.reason) == (2, REFUSAL)


UNKNOWN_STATES = ["", None, "DONE", "removed", "done ", "已完成", "<b>x</b>", "done\0", "x" * 5000]
unknown_states = pytest.mark.parametrize("state", UNKNOWN_STATES, ids=lambda state: repr(state)[:12])


def of_state(state: str | None) -> dict[str, Any]:
    return {k: v for k, v in factories.body(note="等水泥", state=state).items() if v is not None}


@unknown_states
def test_an_unknown_state_is_refused(state: str | None, campaign: Campaign, as_: LogIn) -> None:
    task, lan, before = factories.task(campaign), as_("lan"), everything()
    for language, htmx in product(LANGUAGES, (False, True)):
        answer = send(speaking(lan, language), task, of_state(state), htmx=htmx)
        assert answer.status_code == 422
        assert "<b>x</b>" not in answer.text
        if htmx:
            check_language(complaints(answer)[0], language, state or "")
    assert everything() == before


@unknown_states
def test_a_page_says_that_a_state_is_unknown_and_gives_the_note_back(
    state: str | None, campaign: Campaign, as_: LogIn
) -> None:
    task, lan = factories.task(campaign), as_("lan")
    for language in LANGUAGES:
        answer = send(speaking(lan, language), task, of_state(state))
        assert "等水泥" in answer.text
        check_language(complaints(answer)[0], language, state or "")


@languages
@pytest.mark.parametrize(
    "typed", [{"note": "等水泥"}, {"note": "长" * 2001}, {"value": "97.53"}], ids=["note", "long note", "value"]
)
def test_a_mistake_in_a_form_that_the_page_no_longer_shows_is_named_and_given_back(
    typed: dict[str, str], language: str, campaign: Campaign, as_: LogIn
) -> None:
    """The page was opened while the task was open; meanwhile it is verified, and its forms are others."""
    task, lan = factories.task(campaign, "v-3"), speaking(as_("lan"), language)
    send(as_("bao"), task, factories.body(value="95"))
    send(as_("su"), task, factories.body("verified"))
    answer = send(lan, task, factories.body("open", event="?", seen=0, **typed))
    assert answer.status_code == 422
    assert next(iter(typed.values())) in answer.text
    check_language(complaints(answer)[0], language)


def test_a_value_that_came_too_late_is_given_back_too(campaign: Campaign, as_: LogIn) -> None:
    task = factories.task(campaign, "v-3")
    send(as_("bao"), task, factories.body(value="95"))
    send(as_("su"), task, factories.body("verified"))
    answer = send(as_("lan"), task, factories.body(value="97.53", seen=0))
    assert answer.status_code == 409
    assert "97.53" in answer.text


def test_every_form_that_saves_a_note_has_a_field_for_it(campaign: Campaign, as_: LogIn) -> None:
    task, lan = factories.task(campaign), as_("lan")
    for state in ("open", "done"):
        if state == "done":
            send(lan, task, factories.body())
        page = lan.get(f"/tasks/{task.pk}/").text
        forms = dict(re.findall(r'<form[^>]* id="to-(\w+)">(.*?)</form>', page, re.DOTALL))
        assert 'name="note"' in forms[state]


# --- Text is text ------------------------------------------------------------------------------------------

MARKUP = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</textarea><h1>x</h1>",
    '<div hx-get="/logout/" hx-trigger="load">',
    "{{ 7*7 }}{% load x %}${7*7}",
    "&lt;b&gt; &amp;",
    "=cmd|' /C calc'!A0",
    "'; DROP TABLE checklists_task; --",
    "%s %(note)s {0} \\n \\",
    "\u202e倒着写\u202c",
    "\u2067مرحبا\u2069 \u200f",
    "家\u200d人 \u200b零宽",
    "𠮷村 👨‍👩‍👧 ⼭东",
    "两行\r\n第二行",
    "a" * 2000,
]


@pytest.mark.parametrize("note", MARKUP, ids=range(len(MARKUP)))
def test_a_note_is_kept_as_typed_and_shown_as_text(note: str, campaign: Campaign, as_: LogIn) -> None:
    task, lan = factories.task(campaign), as_("lan")
    assert send(lan, task, factories.body("open", note=note)).status_code == 302
    assert TaskEvent.objects.get().note == note
    shown = html.escape(note)
    for page, language in product((f"/tasks/{task.pk}/", f"/campaigns/{campaign.pk}/events/"), LANGUAGES):
        text = speaking(lan, language).get(page).text
        assert shown in text
        if note != shown:
            assert note not in text


def test_markup_comes_back_as_text_in_the_form_it_was_typed_in(campaign: Campaign, as_: LogIn) -> None:
    task, note = factories.task(campaign), "</textarea><script>alert(1)</script>"
    answer = send(as_("lan"), task, factories.body("open", note=note, value="<script>alert(2)</script>"))
    assert answer.status_code == 422
    assert typed_in(answer, note)
    assert not re.search(r"<script>alert", answer.text)


# --- Addresses ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "task_id",
    ["0", "9" * 30, "9" * 4000, "9" * 5000, "2147483648", "9223372036854775807", "9223372036854775808"],
    ids=lambda task_id: f"{task_id[:20]} of {len(task_id)}",
)
def test_an_id_that_cannot_be_is_404(task_id: str, campaign: Campaign, as_: LogIn) -> None:
    lan, before = as_("lan"), everything()
    for language in LANGUAGES:
        speaking(lan, language)
        for answer in (lan.post(f"/tasks/{task_id}/tick/", factories.body()), lan.get(f"/tasks/{task_id}/")):
            assert answer.status_code == 404
            check_language(" ".join(re.findall(r"<p>([^<]+)</p>", answer.text)), language)
    assert everything() == before


@pytest.mark.parametrize("task_id", ["-1", "1.5", "abc", "１", "%31%00", "1%2f", "..%2f1"])
def test_an_id_that_is_no_number_is_404(task_id: str, campaign: Campaign, as_: LogIn) -> None:
    assert as_("lan").post(f"/tasks/{task_id}/tick/", factories.body()).status_code == 404


@languages
@both_ways
def test_a_task_of_another_county_is_404(htmx: bool, language: str, campaign: Campaign, as_: LogIn) -> None:
    theirs = factories.campaign(factories.OTHER_COUNTY, on=timezone.localdate())
    task = factories.task(theirs, unit=factories.OTHER_VILLAGE)
    lan, before = speaking(as_("lan"), language), everything()
    answer = send(lan, task, factories.body(), htmx=htmx)
    never = lan.post("/tasks/0/tick/", factories.body(), headers=HTMX if htmx else {})
    assert answer.status_code == never.status_code == 404
    assert answer.content == never.content
    assert everything() == before
    assert send(as_("chen"), task, factories.body()).status_code == 302


# --- A form older than its session ----------------------------------------------------------------------------


def _log_out(client: Client) -> None:
    client.logout()


def _session_gone(client: Client) -> None:
    Session.objects.all().delete()


def _idle_too_long(client: Client) -> None:
    session = client.session
    session["began"] = session["seen"] = (timezone.now() - settings.SESSION_IDLE - timedelta(seconds=5)).isoformat()
    session.save()


@languages
@pytest.mark.parametrize("end", [_log_out, _session_gone, _idle_too_long], ids=lambda end: end.__name__.strip("_"))
def test_a_form_older_than_the_session_gives_the_note_back(
    end: Callable[[Client], None], language: str, campaign: Campaign, as_: LogIn
) -> None:
    task, lan = factories.task(campaign, "v-3"), as_("lan")
    lan.get(f"/tasks/{task.pk}/")
    end(lan)
    note, before = "等水泥 </textarea><script>x</script>", everything()
    body = factories.body("open", note=note, value="12", next=f"/tasks/{task.pk}/")
    answer = send(speaking(lan, language), task, body)
    assert answer.status_code == 403
    assert typed_in(answer, note)
    assert typed_in(answer, "12")
    assert "<script>x" not in answer.text
    assert f'href="/tasks/{task.pk}/"' in answer.text
    title = re.findall(r"<h1>(.*?)</h1>", answer.text)
    check_language(title[0], language)
    assert everything() == before


@languages
@pytest.mark.parametrize("token", [None, "", "x" * 64, "\0"])
def test_a_form_without_a_valid_token_gives_the_note_back(
    token: str | None, language: str, campaign: Campaign, cast: dict[str, Cadre]
) -> None:
    lan = speaking(Client(enforce_csrf_checks=True), language)
    lan.force_login(cast["lan"])
    task, before = factories.task(campaign), everything()
    body = factories.body("open", note="等水泥") | ({} if token is None else {"csrfmiddlewaretoken": token})
    answer = send(lan, task, body)
    assert answer.status_code == 403
    assert typed_in(answer, "等水泥")
    assert everything() == before


def test_a_form_with_its_token_is_taken(campaign: Campaign, cast: dict[str, Cadre]) -> None:
    lan = Client(enforce_csrf_checks=True)
    lan.force_login(cast["lan"])
    task = factories.task(campaign)
    (token, *_) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', lan.get(f"/tasks/{task.pk}/").text)
    assert send(lan, task, factories.body(csrfmiddlewaretoken=token)).status_code == 302


# --- Requests that no form of ours sends --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'{"event": "x", "state": "done"}'),
        ("application/json", b"[" * 10_000),
        ("text/plain", b"event=x&state=done"),
        ("multipart/form-data", b"no boundary"),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken"),
        ("application/x-www-form-urlencoded; charset=gbk", b"event=x&state=done&note=%D6%D0"),
        ("application/x-www-form-urlencoded; charset=nonsense", b"event=x&state=done"),
        ("application/x-www-form-urlencoded", b"note=%D6%D0%ff&state=%ff&event=%00"),
        ("application/x-www-form-urlencoded", b"&".join(b"f%d=1" % n for n in range(1500))),
        ("application/x-www-form-urlencoded", b"note=" + b"x" * 3_000_000),
        ("", b"\xff\xfe"),
    ],
    ids=lambda part: str(part)[:40],
)
@both_ways
def test_a_strange_request_is_refused_calmly(
    content_type: str, body: bytes, htmx: bool, campaign: Campaign, as_: LogIn
) -> None:
    task, before = factories.task(campaign), everything()
    lan = as_("lan")
    answer = lan.generic("POST", f"/tasks/{task.pk}/tick/", body, content_type, headers=HTMX if htmx else {})
    assert answer.status_code in (400, 413, 422)
    assert everything() == before


def test_fields_that_are_not_asked_for_are_ignored(campaign: Campaign, cast: dict[str, Cadre], as_: LogIn) -> None:
    task = factories.task(campaign)
    extra = {"by": cast["bao"].pk, "done_by": cast["bao"].pk, "version": 99, "due_on": "2030-01-01", "points": 100}
    extra |= {"unit": factories.MAPLE, "verified_by": cast["su"].pk, "task": 1, "at": "2001-01-01"}
    send(as_("lan"), task, factories.body(**extra))
    after = Task.objects.get(pk=task.pk)
    assert (after.done_by, after.version, after.verified_by) == (cast["lan"], 1, None)
    assert (after.due_on, after.points, after.unit_id) == (task.due_on, task.points, task.unit_id)
    assert TaskEvent.objects.get().at.date() == timezone.now().date()


def test_a_field_sent_twice_counts_once(campaign: Campaign, as_: LogIn) -> None:
    task, body = factories.task(campaign), factories.body()
    assert send(as_("lan"), task, body | {"state": ["waived", "done"]}).status_code == 302
    assert TaskEvent.objects.get().to_state == "done"


@languages
def test_a_refusal_says_why_in_the_readers_language(language: str, campaign: Campaign, as_: LogIn) -> None:
    task = factories.task(campaign)
    refused = [
        (send(speaking(as_("lan"), language), task, factories.body("waived", note="没有")), 403),
        (send(speaking(as_("tang"), language), task, factories.body("returned", note="没有")), 409),
    ]
    course.steer(campaign, "closed", by=Cadre.objects.get(username="ada"))
    refused.append((send(speaking(as_("lan"), language), task, factories.body("open", note="没有")), 409))
    for answer, status in refused:
        assert answer.status_code == status
        words = complaints(answer) or re.findall(r"<h1>[^<]+</h1>\s*<p>([^<]+)</p>", answer.text)
        check_language(html.unescape(words[0]), language)
