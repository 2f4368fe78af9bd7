"""A small world in which everything that can be refused exists, and how to ask it.

Two counties, a person for every role and every way of having none, campaigns of every status and host, tasks in
every state. Built once per test module, in a transaction that is rolled back.
"""

import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from http.cookies import SimpleCookie
from typing import Any
from uuid import UUID, uuid4

from django.apps import apps
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from checklists import course
from checklists.draws import recipe
from checklists.findings import open_finding
from checklists.models import (
    Campaign,
    Draw,
    Extension,
    Finding,
    HelpRequest,
    Measure,
    Phase,
    Round,
    State,
    Task,
    TaskEvent,
    Template,
    Upload,
)
from readiness.health import PARTS
from readiness.models import Channel, Gateway, Heartbeat, Notice, WallPass, Wishes
from readiness.reminders import sealed
from tests import factories, proofs
from villages.access import Role
from villages.models import Cadre, Post

PLACES = {
    "market": factories.MARKET,
    "willow": factories.WILLOW,
    "maple": factories.MAPLE,
    "east": factories.EAST,
    "lake": factories.LAKE,
    "west": factories.WEST,
    "bureau": factories.BUREAU,
    "county": factories.COUNTY,
    "city": "5115",
    "bridge": factories.OTHER_VILLAGE,
    "street": factories.OTHER_TOWNSHIP,
    "river": factories.OTHER_COUNTY,
}
HOSTS = {
    "county": factories.COUNTY,
    "draft": factories.COUNTY,
    "closed": factories.COUNTY,
    "east": factories.EAST,
    "city": "5115",
    "province": "51",
    "far": factories.OTHER_COUNTY,
    "far_draft": factories.OTHER_COUNTY,
}
# Whose post stands for a place.
POSTS = {
    "market": "qin",
    "willow": "lan",
    "maple": "hong",
    "east": "bao",
    "lake": "wang",
    "bureau": "deng",
    "county": "mei",
    "bridge": "chen",
}
# Rounds by name: where, and whether it is over; and who was sent. Wang comes from the other township.
ROUNDS = {"willow": ("willow", False), "maple": ("maple", True), "bridge": ("bridge", False)}
SENT = {"willow": ("wang", "left"), "maple": ("wang", "gone"), "bridge": ("gone",)}
EVERYWHERE = ["village", "site", "township", "department", "county"]
NOBODYS = 987_654_321  # the id of nothing
NEVER = (NOBODYS, 0, -1, 10**29)
GROUNDS = {"rule": "red", "days": 5, "since": "2026-03-04", "on": "2026-03-11", "overdue": 2, "returned": 0,
           "applying": 3}  # fmt: skip
NO_FILE = proofs.NOTHING
NEVER_CODES = ("511504101299", "511504999", "99", "510502001999")


@dataclass
class World:
    """Who is there, and what."""

    people: dict[str, Cadre]
    clients: dict[str, Client]
    campaigns: dict[str, int]
    tasks: dict[tuple[str, str, str], int]  # campaign, place, number of the item
    items: dict[str, int]  # the first of each campaign
    phases: dict[str, int]  # likewise
    extensions: dict[str, int]  # a request for more time, by place
    templates: dict[str, int] = field(default_factory=dict)  # a speech, and one of an office's own for some hosts
    helps: dict[str, int] = field(default_factory=dict)  # a call for help, by place
    measures: dict[str, int] = field(default_factory=dict)  # one that is proposed, by place
    findings: dict[str, int] = field(default_factory=dict)  # by place
    passes: dict[str, int] = field(default_factory=dict)  # one of each campaign, for its host
    gateways: dict[str, int] = field(default_factory=dict)  # a webhook of a place, a robot of a campaign
    draws: dict[str, int] = field(default_factory=dict)  # one that is announced, among the units of a place
    rounds: dict[str, int] = field(default_factory=dict)  # by name
    proofs: dict[str, UUID] = field(default_factory=dict)  # a photo, by place; Left sent it
    checks: dict[str, UUID] = field(default_factory=dict)  # what Su saw, by place
    uploads: dict[str, UUID] = field(default_factory=dict)  # a file on its way, by its sender

    def number(self, kind: str, name: Any) -> Any:
        """What stands in an address for a campaign, a unit or a task; a name of nothing stands for itself."""
        known: dict[str, dict[Any, Any]] = {
            "campaign": self.campaigns,
            "step": self.campaigns,
            "unit": PLACES,
            "task": self.tasks,
        } | {
            "item": self.items,
            "phase": self.phases,
            "extension": self.extensions,
            "help": self.helps,
            "measure": self.measures,
            "finding": self.findings,
            "template": self.templates,
            "pass": self.passes,
            "gateway": self.gateways,
            "draw": self.draws,
            "round": self.rounds,
            "secret": {name: f"secret-{name}" for name in self.people},
            "proof": self.proofs,
            "check": self.checks,
            "upload": self.uploads,
            "token": {name: f"token-{name}" for name in self.campaigns},
        }
        if kind == "post" and name in POSTS:
            return post_of(POSTS[name]).order_by("pk")[0].pk
        return known.get(kind, {}).get(name, name)

    def ask(self, who: str, method: str, address: str, data: Any = None, **headers: str) -> HttpResponse:
        """The answer to one request; what the answer says about cookies is forgotten."""
        client = self.clients[who]
        kept = client.cookies
        client.cookies = SimpleCookie({name: cookie.value for name, cookie in kept.items()})
        try:
            answer = getattr(client, method.lower())(address, data or ({} if method == "POST" else ""), headers=headers)
            if answer.streaming:  # a file: read to its end, which closes it
                b"".join(answer.streaming_content)
            return answer
        finally:
            client.cookies = kept


@contextmanager
def rolled_back() -> Iterator[None]:
    """What happens inside has not happened."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@contextmanager
def build() -> Iterator[World]:
    """The world, for as long as the block lasts."""
    with rolled_back():
        factories.units()
        people = factories.cast() | _extras()
        world = World(people, {}, {}, {}, {}, {}, {})
        _campaigns(world)
        _gateways(world)
        _draws(world)
        _proofs(world)
        for who in people:
            Notice.objects.create(
                cadre=people[who],
                rule="digest",
                on=timezone.localdate(),
                channel=Channel.INBOX,
                subject=f"给 {people[who].name}",
                body="3 项逾期",
            )
        for part in PARTS:
            Heartbeat.objects.create(part=part, at=timezone.now() + timedelta(hours=1))
        for who in ("anonymous", *people):
            world.clients[who] = log_in(people.get(who))
        Cadre.objects.filter(username="barred").update(is_active=False)
        yield world


def _extras() -> dict[str, Cadre]:
    """People beside the cast: of a site, of the other township, with two posts, and with none that counts today."""
    today = timezone.localdate()
    day = timedelta(days=1)
    people = {
        "qin": factories.cadre("Qin", Role.VILLAGE_CADRE, factories.MARKET),
        "wang": factories.cadre("Wang", Role.VILLAGE_CADRE, factories.LAKE, principal=True),
        "he": factories.cadre("He", Role.VILLAGE_CADRE, factories.WILLOW),
        "left": factories.cadre("Left", Role.VILLAGE_CADRE, factories.WILLOW, until=today),
        "gone": factories.cadre("Gone", Role.CAMPAIGN_ADMIN, factories.COUNTY, until=today - day),
        "early": factories.cadre("Early", Role.SUPERVISOR, factories.COUNTY, since=today + day),
        "barred": factories.cadre("Barred", Role.VILLAGE_CADRE, factories.WILLOW),
    }
    factories.appoint(people["he"], Role.SUPERVISOR, factories.COUNTY)
    return people


def _campaigns(world: World) -> None:
    full = factories.template("full", [factories.line(number, owed_by=EVERYWHERE) for number in State.values])
    slim = factories.template("slim", [factories.line("one", owed_by=EVERYWHERE)])
    world.templates["speech"] = full.pk
    for name in ("county", "east", "city", "far"):
        own = factories.template(f"own-{name}")
        Template.objects.filter(pk=own.pk).update(owner=HOSTS[name])
        world.templates[name] = own.pk
    today = timezone.localdate()
    for days, (name, host) in enumerate(HOSTS.items(), start=20):
        campaign = factories.campaign(
            host,
            on=today,
            days=days,
            of=full if name in ("county", "closed", "far") else slim,
            status=Campaign.Status.DRAFT if "draft" in name else Campaign.Status.ACTIVE,
        )
        Campaign.objects.filter(pk=campaign.pk).update(title=f"活动{name}", title_en=f"Campaign {name}")
        world.campaigns[name] = campaign.pk
        world.items[name] = campaign.items.all()[0].pk
        phase = Phase(campaign=campaign, key="all", title="全程", starts_on=today, ends_on=campaign.inspects_on)
        phase.save()
        world.phases[name] = phase.pk
        world.passes[name] = WallPass.objects.create(
            campaign=campaign,
            unit_id=host,
            name="大厅",
            digest=WallPass.digest_of(f"token-{name}"),
            made_by=world.people["ada"],
        ).pk
    # Ticked by somebody who has left: whatever a person may not do here is for want of a right, not for having ticked.
    left, su, now = world.people["left"], world.people["su"], timezone.now()
    claimed = {"done_by": left, "done_at": now}
    for state, fields in {
        "done": claimed,
        "verified": claimed | {"verified_by": su, "verified_at": now},
        "returned": {},
        "waived": {},
    }.items():
        Task.objects.filter(item__number=state).update(state=state, **fields)
    course.steer(Campaign.objects.get(pk=world.campaigns["closed"]), "closed", by=world.people["ada"])
    names = {pk: name for name, pk in world.campaigns.items()}
    places = {code: place for place, code in PLACES.items()}
    for pk, campaign_id, unit, number in Task.objects.values_list("pk", "campaign_id", "unit_id", "item__number"):
        world.tasks[names[campaign_id], places[unit], number] = pk
    # For tasks that nobody owes now: so they stand in no list.
    for (campaign_name, place, number), pk in world.tasks.items():
        if campaign_name in ("county", "far") and number == "waived":
            asked = Extension(task_id=pk, asked_by=left, until=today + timedelta(days=99), reason="等水泥")
            asked.save()
            world.extensions[place] = asked.pk
            called = HelpRequest(task_id=pk, asked_by=left, obstacle="路不通", need="挖机", reply_by=today)
            called.save()
            world.helps[place] = called.pk
            world.measures[place] = Measure.objects.create(
                campaign_id=world.campaigns[campaign_name], unit_id=PLACES[place], rung=1, grounds=GROUNDS
            ).pk
            world.findings[place] = open_finding(
                by=left,
                event=uuid.uuid4(),
                campaign=called.task.campaign,
                unit=called.task.unit,
                source="complaint",
                what=f"路灯不亮{place}",
            ).pk
    Campaign.objects.filter(pk=world.campaigns["county"]).update(ladder_from=today, ladder_by=world.people["mei"])
    # Nobody's: what a person may do with one is for their rights alone.
    Finding.objects.update(responsible=None)
    TaskEvent.objects.bulk_create(events(Task.objects.filter(state="done"), by=left))
    for name, (place, is_over) in ROUNDS.items():
        over = {"finished_by": su, "finished_at": now} if is_over else {}
        made = Round.objects.create(
            campaign_id=world.campaigns["far" if place == "bridge" else "county"],
            unit_id=PLACES[place],
            rhythm="patrol",
            made_by=su,
            **over,
        )
        made.inspectors.set([world.people[who] for who in SENT[name]])
        world.rounds[name] = made.pk


def _draws(world: World) -> None:
    """One among the units of each place, waiting for its numbers."""
    kept = {"title": "抽查", "secret": "s", "commitment": "c", "announced_by": world.people["ada"]}
    kept["recipe"] = {"kind": "village", "chances": "same", "groups": "none", "items": "all"}
    unit = recipe.Unit(factories.WILLOW, recipe.ALL, 1, (), "柳村")
    inspector = recipe.Inspector(world.people["su"].pk, (), "Su")
    for number, (place, code) in enumerate(PLACES.items(), start=1):
        if place != "city":
            campaign = world.campaigns["far" if code.startswith(factories.OTHER_COUNTY) else "county"]
            of = f"{campaign}/{number}"
            frozen = recipe.FrozenList(of, 1, 0, 0, 1, {recipe.ALL: recipe.NONE}, (unit,), (), (inspector,))
            made = Draw.objects.create(
                campaign_id=campaign, number=number, among_id=code, frozen=frozen.write(), **kept
            )
            world.draws[place] = made.pk


def _gateways(world: World) -> None:
    """A webhook of some places, a robot of some campaigns; everybody has a calendar."""
    closed = sealed.seal({"path": "/sms", "secret": "s" * 20, "key": "k"})
    kept = {"host": "https://example.gov.cn", "sealed": closed, "made_by": world.people["ada"], "name": "通道"}
    for place in ("east", "county", "city", "river"):
        made = Gateway.objects.create(channel=Channel.WEBHOOK, unit_id=PLACES[place], **kept)
        world.gateways[place] = made.pk
    for name, place in {
        "robot county": "east",
        "robot east": "east",
        "robot city": "east",
        "robot far": "street",
    }.items():
        campaign_id = world.campaigns[name.removeprefix("robot ")]
        made = Gateway.objects.create(
            channel=Channel.WECOM_ROBOT, unit_id=PLACES[place], campaign_id=campaign_id, **kept
        )
        world.gateways[name] = made.pk
    Wishes.objects.bulk_create(
        [Wishes(cadre=one, feed_digest=Wishes.digest_of(f"secret-{name}")) for name, one in world.people.items()]
    )


def _proofs(world: World) -> None:
    """A photo on a task of each place, and what else can have one; bytes that are the same for all."""
    bytes_of = storages["proofs"]
    for (campaign, place, item), pk in sorted(world.tasks.items()):
        if campaign not in ("county", "far") or item != "waived":
            continue
        task = Task.objects.for_list().get(pk=pk)
        named = {"stored": f"world/{place}", "thumbnail": f"world/{place}-s"}
        for name in named.values():
            bytes_of.save(name, ContentFile(b"photo"))
        world.proofs[place] = proofs.kept(task, world.people["left"], **named).pk
        world.checks[place] = proofs.seen(task, world.people["su"]).pk
    for who in ("lan", "hong"):
        coming = Upload(
            id=uuid4(), by=world.people[who], size=9, name="1.jpg", stored=f"world/{who}",
            task_id=world.tasks["county", "willow", "open"],
        )  # fmt: skip
        coming.save()
        world.uploads[who] = coming.pk


def events(tasks: Iterable[Task], *, by: Cadre) -> list[TaskEvent]:
    """One line of history for each task."""
    return [
        TaskEvent(
            id=factories.body()["event"],
            task=task,
            by=by,
            from_state="open",
            to_state="done",
            note=f"看过{task.unit_id}",
        )
        for task in tasks
    ]


def log_in(person: Cadre | None) -> Client:
    """A client of somebody who is logged in, or of a stranger; mistakes of ours come as a 500, not as an exception."""
    client = Client(raise_request_exception=False)
    if person is not None:
        client.force_login(person)
        # Else each request after the first minute would note that the session is in use, only to be undone.
        session, now = client.session, timezone.now()
        session["began"], session["seen"] = now.isoformat(), (now + timedelta(hours=1)).isoformat()
        session.save()
    return client


def post_of(who: str) -> Any:
    """The person's posts."""
    return Post.objects.filter(cadre__username=who)


def routes() -> dict[str, str]:
    """Every address of the house by its name, such as {"task": "/tasks/<int:task_id>/"}."""
    found = list(_walk(get_resolver().url_patterns, "/"))
    assert len({name for name, _, _ in found}) == len(found), "every address has a name of its own"
    return {name: route for name, route, _ in found}


def views() -> dict[str, Any]:
    """Every view by the name of its address."""
    return {name: view for name, _, view in _walk(get_resolver().url_patterns, "/")}


def _walk(patterns: list[Any], prefix: str) -> Iterator[tuple[str, str, Any]]:
    for entry in patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _walk(entry.url_patterns, route)
        else:
            assert isinstance(entry, URLPattern)
            assert entry.name, f"{route} has no name"
            yield entry.name, route, entry.callback


def address(route: str, *ids: object) -> str:
    """The route with its parameters filled in from the left, also with what no converter would let out."""
    left = iter(ids)
    return re.sub(r"<[^>]+>", lambda _: str(next(left)), route)


def ours() -> list[Any]:
    """Our models, each table once."""
    models = [
        model for app in ("villages", "checklists", "readiness") for model in apps.get_app_config(app).get_models()
    ]
    return [model for model in models if not model._meta.proxy]


@cache
def our_tables() -> list[str]:
    """Of our models and of what joins them. Sessions are not ours."""
    joins = [join.m2m_db_table() for model in ours() for join in model._meta.many_to_many]
    return sorted([*joins, *(model._meta.db_table for model in ours())])


@cache
def _fingerprint_sql() -> str:
    return " UNION ALL ".join(
        f"SELECT '{table}', count(*), coalesce(sum(hashtextextended(t::text, 0)), 0) FROM {table} t"  # noqa: S608
        for table in our_tables()
    )


def written() -> int:
    """Rows of our tables that this transaction has written so far, also those that it has undone."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_xact_user_tables"
            " WHERE relname = ANY (%s)",
            [our_tables()],
        )
        return int(cursor.fetchone()[0])


def fingerprint() -> tuple[Any, ...]:
    """All rows of all our tables, in short."""
    with connection.cursor() as cursor:
        cursor.execute(_fingerprint_sql())
        # Sorted here: a parallel plan returns the branches of a UNION in any order.
        return tuple(sorted(cursor.fetchall()))


def said(response: HttpResponse) -> tuple[int, list[tuple[str, str]], bytes]:
    """All that an answer tells: status, headers, body."""
    return response.status_code, sorted(response.headers.items()), response.content


def outcome(response: HttpResponse) -> int | str:
    """The status; "login" for a redirect to the log-in page."""
    to_login = response.headers.get("Location", "").startswith(f"/{settings.LOGIN_URL}/?next=")
    return "login" if response.status_code == 302 and to_login else response.status_code


def unsafe(response: HttpResponse, *, logged_in: bool) -> list[str]:
    """What is missing from an answer's headers."""
    policy = response.headers.get("Content-Security-Policy", "")
    wrong = []
    # What somebody sent is served with less than our pages may: nothing at all.
    ours = "default-src 'self'" in policy or ("default-src 'none'" in policy and "sandbox" in policy)
    if not ours or "unsafe" in policy or "frame-ancestors 'none'" not in policy:
        wrong.append(f"Content-Security-Policy: {policy}")
    for name, value in {
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
    }.items():
        if response.headers.get(name) != value:
            wrong.append(f"{name}: {response.headers.get(name)}")
    # Shapes of units may be kept by the browser, which asks each time whether they still are as they were.
    kept = "private, no-cache" if response.headers.get("Content-Type") == "application/geo+json" else "no-store"
    if logged_in and kept not in response.headers.get("Cache-Control", ""):
        wrong.append("no-store")
    return wrong
