"""A newer version of the template that a campaign came from: what it would change here, and taking over lines of it.

Three texts are compared: what the campaign's own version would make of an item today, what the newer one would, and
what stands in the campaign. Shown is what the newer version changes; what people changed here is marked as theirs.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from checklists import launch
from checklists.copying import follow
from checklists.models import Campaign, Change, Item, Phase, Template
from checklists.models.campaign import in_language
from villages.models import Cadre, Kind

# What is taken over as one: the name of the whole -> its fields, and how it is called.
FIELDS: dict[str, tuple[tuple[str, ...], "str | Promise"]] = {
    "title": (("title", "title_en"), gettext_lazy("title")),
    "standard": (("standard", "standard_en"), gettext_lazy("standard")),
    "section": (("section",), gettext_lazy("section of the speech")),
    "topic": (("topic",), gettext_lazy("topic")),
    "kind": (("kind",), gettext_lazy("kind")),
    "owed_by": (("owed_by",), gettext_lazy("owed by")),
    "departments": (("departments",), gettext_lazy("departments")),
    "responsible": (("responsible",), gettext_lazy("responsible, in the speech's words")),
    "phase": (("phase",), gettext_lazy("phase")),
    "due_on": (("due_on", "due_says"), gettext_lazy("due on")),
    "points": (("points",), gettext_lazy("points")),
    "metric": (
        (
            *("metric", "metric_en", "operator", "target", "total", "measured_in", "measured_in_en"),
            *("statistic", "target_is_stated"),
        ),
        gettext_lazy("measure"),
    ),
    "every": (("every",), gettext_lazy("reported every")),
    "gate": (("gate",), gettext_lazy("gate")),
    "veto": (("veto",), gettext_lazy("veto")),
    "looked_at_by": (("looked_at_by",), gettext_lazy("checked by")),
    "proof": (("proof", "proof_en"), gettext_lazy("what shows it")),
    "needs_proof": (("needs_proof",), gettext_lazy("verified only with a file that shows it")),
}
KINDS = {
    "action": gettext_lazy("work"),
    "discipline": gettext_lazy("discipline"),
    "facility": gettext_lazy("facilities"),
    "funding": gettext_lazy("funding"),
    "knowledge": gettext_lazy("to be known"),
    "ledger": gettext_lazy("ledger"),
    "personnel": gettext_lazy("personnel"),
    "publicity": gettext_lazy("publicity"),
    "rectification": gettext_lazy("putting right"),
    "report": gettext_lazy("report"),
    "training": gettext_lazy("training"),
}


class Outdated(Exception):
    """Lines were chosen that are no longer as they were shown; nothing is taken over."""


@dataclass(frozen=True)
class Line:
    """One thing that the newer version would change."""

    what: str  # add, strike, change; phase_add, phase_change
    number: str  # of the item, or the phase's key
    name: str
    field: str = ""
    label: "str | Promise" = ""
    before: str = ""
    after: str = ""
    by_hand: bool = False  # somebody here has changed it since it came from the template
    values: str = ""  # what stands here and what would, exactly

    @property
    def key(self) -> str:
        """Names the line as it was shown: with another text it is another line."""
        seen = hashlib.sha256((self.values or self.after).encode()).hexdigest()[:12]
        return f"{self.what}.{self.number}.{self.field}.{seen}"


class _Version:
    """What a template would make of the campaign if it were drafted with its days now; nothing is saved."""

    def __init__(self, campaign: Campaign, body: dict[str, Any]) -> None:
        self.phases = {
            line["key"]: Phase(
                campaign=campaign,
                key=line["key"],
                title=line["title"],
                title_en=line["title_en"],
                starts_on=campaign.inspects_on + timedelta(days=line["starts"]),
                ends_on=campaign.inspects_on + timedelta(days=line["ends"]),
            )
            for line in body["phases"]
        }
        self.items = {
            line["id"]: launch.item_of(campaign, position, line, self.phases)
            for position, line in enumerate(body["items"], start=1)
        }
        self.topics = {line["key"]: [line["title"], line["title_en"]] for line in body.get("topics", [])}


def latest(campaign: Campaign) -> Template | None:
    """The newest version of the campaign's template, if that is not its own."""
    if campaign.template is None:
        return None
    versions = Template.objects.filter(slug=campaign.template.slug, version__gt=campaign.template.version)
    return versions.newest().first()


def lines(campaign: Campaign, template: Template) -> list[Line]:
    """What taking over the version would change in the campaign as it stands now."""
    was = _Version(campaign, campaign.template.body if campaign.template else {"phases": [], "items": []})
    return list(_lines(campaign, was, _Version(campaign, template.body)))


def _lines(campaign: Campaign, was: _Version, will: _Version) -> Iterator[Line]:
    topics = will.topics | campaign.topics
    yield from _phase_lines({phase.key: phase for phase in campaign.phases.all()}, was, will)
    items = {item.number: item for item in campaign.items.select_related("phase")}
    touched: dict[int, set[str]] = defaultdict(set)
    edits = campaign.changes.filter(what=Change.What.EDITED, item__isnull=False).exclude(fields__has_key="template")
    for item_id, fields in edits.values_list("item_id", "fields"):
        touched[item_id] |= set(fields)
    for number, new in will.items.items():
        old, now = was.items.get(number), items.get(number)
        if now is None or (now.struck and old is None):
            if old is None:
                yield Line("add", number, new.name, after=_in_words(new, "standard", topics))
            continue
        if now.struck:
            continue
        for field, (names, label) in FIELDS.items():
            value, here = _value(new, names), _value(now, names)
            origin = _value(old, names) if old else None
            if value not in (here, origin):
                by_hand = here != origin or bool(touched[now.pk].intersection(names))
                before, after = _in_words(now, field, topics), _in_words(new, field, topics)
                if before == after:  # the difference is in what readers of this language do not see
                    before, after = _all(here), _all(value)
                yield Line("change", number, now.name, field, label, before, after, by_hand, f"{here}{value}")
    for number, old in was.items.items():
        now = items.get(number)
        if number not in will.items and now is not None and not now.struck:
            changed = any(_value(now, names) != _value(old, names) for names, _label in FIELDS.values())
            yield Line("strike", number, now.name, by_hand=changed or bool(touched[now.pk]))


def _phase_lines(now: dict[str, Phase], was: _Version, will: _Version) -> Iterator[Line]:
    for key, new in will.phases.items():
        old, here = was.phases.get(key), now.get(key)
        if here is None:
            if old is None:
                yield Line("phase_add", key, str(new), after=_dates(new))
            continue
        for names, label, told in (
            (("title", "title_en"), gettext_lazy("title"), str),
            (("starts_on", "ends_on"), gettext_lazy("dates"), _dates),
        ):
            value, stands = _value(new, names), _value(here, names)
            origin = _value(old, names) if old else None
            if value not in (stands, origin):
                yield Line(
                    *("phase_change", key, str(here), names[0], label, told(here), told(new)),
                    *(stands != origin, f"{stands}{value}"),
                )


def _value(row: Item | Phase, names: tuple[str, ...]) -> list[Any]:
    """What is compared: phases by their key, kinds of unit and departments in any order."""
    found = []
    for name in names:
        value = getattr(row, name)
        found.append(sorted(value) if isinstance(value, list) else value.key if isinstance(value, Phase) else value)
    return found


def _dates(phase: Phase) -> str:
    return f"{phase.starts_on} – {phase.ends_on}"


def _in_words(item: Item, field: str, topics: dict[str, list[str]]) -> str:
    """A field as a person reads it."""
    match field:
        case "title":
            return item.name
        case "standard":
            return item.meaning
        case "proof":
            return item.shown_by
        case "phase":
            return str(item.phase) if item.phase else ""
        case "topic":
            return in_language(*topics.get(item.topic, [item.topic, ""]))
        case "kind":
            return str(KINDS.get(item.kind, item.kind))
        case "owed_by":
            return "、".join(str(Kind(kind).label) for kind in item.owed_by)
        case "departments":
            return "、".join(item.departments)
        case "every":
            return str(item.get_every_display())
        case "looked_at_by":
            return str(item.get_looked_at_by_display() or "")
        case "gate" | "veto" | "needs_proof":
            return _("yes") if getattr(item, field) else _("no")
        case "metric":
            value = item.total if item.total is not None else item.target
            told = [item.measure, item.get_operator_display(), f"{value.normalize():f}" if value is not None else ""]
            told += [item.unit_of_measure, _("(all together)") if item.total is not None else ""]
            told += [_("(a statistic)") if item.statistic else ""]
            return " ".join(filter(None, told))
    return _all(_value(item, FIELDS[field][0]))


def _all(values: list[Any]) -> str:
    return " · ".join(str(value) for value in values if value not in ("", None))


def take_over(campaign: Campaign, template: Template, chosen: set[str], *, done: bool, by: Cadre) -> list[Line]:
    """Takes over the chosen lines; what is left undecided.

    Args:
        chosen: keys of lines as they were shown.
        done: the other lines are declined: what stands here stays, and the campaign follows the newer version.

    Raises:
        Outdated: a chosen line is not as it was shown, or the campaign was closed or brought up to date meanwhile.
    """
    with transaction.atomic():
        held = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
        list(held.items.select_for_update(no_key=True).values_list("pk"))
        found = lines(held, template)
        if held.is_closed or latest(held) != template or chosen - {line.key for line in found}:
            raise Outdated
        versions = [str(held.template.version) if held.template else "", str(template.version)]
        _Taking(held, template, versions, by).take(found, chosen, done=done)
        held.topics = _Version(held, template.body).topics | held.topics
        held.save(update_fields=["topics"])
        left = [] if done else lines(held, template)
        if not left:
            follow(held, template, by=by)
        return left


class _Taking:
    """One taking over: what it writes, and the history of it."""

    def __init__(self, campaign: Campaign, template: Template, versions: list[str], by: Cadre) -> None:
        self.campaign = campaign
        self.versions = versions
        self.by = by
        self.will = _Version(campaign, template.body)
        self.phases = {phase.key: phase for phase in campaign.phases.all()}
        self.items = {item.number: item for item in campaign.items.select_related("phase")}

    def take(self, found: list[Line], chosen: set[str], *, done: bool) -> None:
        changes: dict[str, list[Line]] = defaultdict(list)
        for line in found:
            taken = line.key in chosen
            if line.what == "add" and (taken or done):
                self._add(line, struck=not taken)
            elif line.what == "strike" and taken:
                self._save(self.items[line.number], ["struck"], {"struck": [_("no"), _("yes")]}, struck=True)
            elif line.what == "change" and taken:
                changes[line.number].append(line)
            elif line.what == "phase_add" and taken:
                self._phase(line.number)
            elif line.what == "phase_change" and taken:
                self._change_phase(line)
        for number, chosen_here in changes.items():
            self._change(number, chosen_here)

    def _phase(self, key: str) -> Phase:
        """The campaign's phase of that name, made where it was missing."""
        if key not in self.phases:
            phase = self.phases[key] = self.will.phases[key]
            phase.save()
            self._note(None, {f"{_('phase')} {phase}": ["", _dates(phase)]})
        return self.phases[key]

    def _change_phase(self, line: Line) -> None:
        phase, new = self.phases[line.number], self.will.phases[line.number]
        names = ["title", "title_en"] if line.field == "title" else ["starts_on", "ends_on"]
        for name in names:
            setattr(phase, name, getattr(new, name))
        phase.save(update_fields=names)
        self._note(None, {f"{_('phase')} {line.name}": [line.before, line.after]})

    def _add(self, line: Line, *, struck: bool) -> None:
        """An item that is declined stands struck, so that launching again does not bring it in."""
        new, now = self.will.items[line.number], self.items.get(line.number)
        if now is not None and struck:
            return
        new.phase = self._phase(new.phase.key) if new.phase else None
        new.pk, new.struck = now.pk if now else None, struck
        new.save()
        self._note(new, {"struck": [_("no"), _("yes")]} if struck else {"title": ["", new.title]})

    def _change(self, number: str, chosen: list[Line]) -> None:
        new, names = self.will.items[number], [name for line in chosen for name in FIELDS[line.field][0]]
        values = {name: getattr(new, name) for name in names}
        if values.get("phase"):
            values["phase"] = self._phase(values["phase"].key)
        self._save(self.items[number], names, {line.field: [line.before, line.after] for line in chosen}, **values)

    def _save(self, item: Item, names: list[str], told: dict[str, list[str]], **values: Any) -> None:
        for name, value in values.items():
            setattr(item, name, value)
        item.save(update_fields=names)
        self._note(item, told)

    def _note(self, item: Item | None, told: dict[str, list[str]]) -> None:
        Change.objects.create(
            campaign=self.campaign,
            by=self.by,
            what=Change.What.EDITED,
            item=item,
            fields=told | {"template": self.versions},
        )
