"""By which ways each cadre can be told: what he has, what his office has, and what he wishes."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time

from checklists.models import Campaign
from readiness.models import Account, Channel, Gateway, Wishes
from readiness.models.channel import PERSONAL, QUIET_FROM, QUIET_UNTIL
from readiness.reminders import figures
from readiness.reminders.calendars import first_sending
from readiness.reminders.told import rows
from villages.models import Cadre, Post


@dataclass(frozen=True)
class Way:
    """A channel and, unless it is mail, the gateway that it goes through."""

    channel: str
    gateway: int | None = None


@dataclass
class Ways:
    """The ways of many cadres. Five queries."""

    mail: set[int]
    phones: set[int]
    accounts: dict[int, set[str]]
    posts: dict[int, list[str]]  # codes of the units where a cadre holds a post
    gateways: dict[str, dict[str, int]]  # channel -> unit -> gateway
    wishes: dict[int, tuple[list[str], time, time]]  # unwanted, quiet from, quiet until

    @classmethod
    def of_cadres(cls, cadres: Collection[int], on: date) -> "Ways":
        """Read for these cadres, as of a day."""
        ids = list(cadres)
        mail, phones = set(), set()
        for pk, email, phone in rows(
            "SELECT id, email <> '', phone IS NOT NULL FROM villages_cadre WHERE id = ANY(%(ids)s)", {"ids": ids}
        ):
            mail |= {pk} if email else set()
            phones |= {pk} if phone else set()
        accounts: dict[int, set[str]] = {}
        for cadre, channel in Account.objects.filter(cadre__in=ids).values_list("cadre_id", "channel"):
            accounts.setdefault(cadre, set()).add(channel)
        posts: dict[int, list[str]] = {}
        for cadre, unit in Post.objects.current(on).filter(cadre__in=ids).values_list("cadre_id", "unit_id"):
            posts.setdefault(cadre, []).append(unit)
        gateways: dict[str, dict[str, int]] = {}
        for pk, channel, unit in (
            Gateway.objects.in_use().filter(campaign__isnull=True).values_list("pk", "channel", "unit_id").order_by()
        ):
            gateways.setdefault(channel, {})[unit] = pk
        wished = Wishes.objects.filter(cadre__in=ids)
        wishes = {
            cadre: (unwanted, quiet_from, quiet_until)
            for cadre, unwanted, quiet_from, quiet_until in wished.values_list(
                "cadre_id", "unwanted", "quiet_from", "quiet_until"
            )
        }
        return cls(mail, phones, accounts, posts, gateways, wishes)

    def there_are(self, cadre: int) -> list[Way]:
        """All that lead to him, wanted or not, beside the inbox."""
        found = [Way(Channel.MAIL)] if cadre in self.mail else []
        has = {channel for channel in PERSONAL if channel in self.accounts.get(cadre, ())}
        has |= {Channel.WEBHOOK} if cadre in self.phones else set()
        for channel in sorted(has & self.gateways.keys()):
            gateway = self._nearest(self.gateways[channel], self.posts.get(cadre, []))
            if gateway is not None:
                found.append(Way(channel, gateway))
        return found

    def of(self, cadre: int) -> list[Way]:
        """Those by which he wants to be told, beside the inbox."""
        unwanted = self.wishes[cadre][0] if cadre in self.wishes else ()
        return [way for way in self.there_are(cadre) if way.channel not in unwanted]

    def due_at(self, cadre: int, now: datetime, *, urgent: bool) -> datetime:
        """When he is told; urgent things do not wait, neither for the morning nor for their place in the row."""
        if urgent:
            return now
        _, quiet_from, quiet_until = self.wishes.get(cadre, ([], QUIET_FROM, QUIET_UNTIL))
        return first_sending(now, f"cadre-{cadre}", quiet_from=quiet_from, quiet_until=quiet_until)

    @staticmethod
    def _nearest(gateways: dict[str, int], posts: list[str]) -> int | None:
        """The gateway at a unit of these or, failing that, at the nearest above one."""
        covers = [unit for unit in gateways if any(post.startswith(unit) for post in posts)]
        return gateways[max(covers, key=len)] if covers else None


@dataclass(frozen=True)
class Unreachable:
    """Somebody who answers in a campaign and may not hear of it, and why."""

    cadre: int
    name: str
    has_no_way: bool  # but the inbox
    cannot_log_in: bool  # so that the inbox is no help either


def unreachable(campaign: Campaign, on: date) -> list[Unreachable]:
    """Those who answer for a unit of the campaign, are in office, and can be told by no way but the inbox or not even
    there; by name. A fixed number of queries."""
    posts = set(Post.objects.current(on).values_list("cadre_id", "unit_id"))
    answers = figures.answering([campaign], posts)
    cadres = {cadre for kinds in answers.values() for cadre in kinds.values()}
    ways = Ways.of_cadres(cadres, on)
    found = []
    for person in Cadre.objects.filter(pk__in=cadres).only("name", "password", "is_active").order_by("name", "pk"):
        has_no_way = not ways.of(person.pk)
        cannot_log_in = not (person.is_active and person.has_usable_password())
        if has_no_way or cannot_log_in:
            found.append(Unreachable(person.pk, person.name, has_no_way, cannot_log_in))
    return found
