"""What the rows say, held against what the outside has."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

from checklists.models import Campaign
from readiness.models import Channel, Notice
from tests.platforms import Platform

Status = Notice.Status
# Each says by itself that it may not have arrived, and is on the campaign's page.
SAID = {Status.UNKNOWN, Status.REFUSED, Status.FAILED}


@dataclass
class Reckoning:
    """Of one channel, when all is over. A cadre has one notice; who they are is their account or telephone."""

    platform: Platform
    campaign: Campaign
    channel: Channel
    arrived: Counter[str] = field(init=False)
    shown: Counter[str] = field(init=False)

    def __post_init__(self) -> None:
        mine = [one for one in self.platform.arrivals if one.channel == self.channel]
        self.arrived = Counter(one.to for one in mine)
        self.shown = Counter(one.to for one in mine if one.shown)

    @cached_property
    def states(self) -> dict[str, str]:
        """Cadre -> what became of the notice."""
        who = "cadre__phone" if self.channel == Channel.WEBHOOK else "cadre__username"
        found = list(Notice.objects.filter(channel=self.channel).values_list(who, "status"))
        assert len(found) == len(dict(found))
        return dict(found)

    @cached_property
    def inbox(self) -> list[tuple[int, str]]:
        return list(Notice.objects.filter(channel=Channel.INBOX).values_list("cadre_id", "status"))

    @cached_property
    def doubled(self) -> list[str]:
        """Who got it more than once."""
        return sorted(who for who, times in self.arrived.items() if times > 1)

    @cached_property
    def lost(self) -> list[str]:
        """Who did not get it, and nobody says so."""
        return sorted(who for who, state in self.states.items() if not self.arrived[who] and state not in SAID)

    @cached_property
    def unknown(self) -> set[str]:
        return {who for who, state in self.states.items() if state == Status.UNKNOWN}

    @cached_property
    def on_the_page(self) -> int:
        """How many unknown ones the campaign's page finds."""
        return Notice.objects.of_campaign(self.campaign).filter(channel=self.channel, status=Status.UNKNOWN).count()

    def __str__(self) -> str:
        states = ", ".join(f"{many} {state}" for state, many in Counter(self.states.values()).most_common())
        return (
            f"inbox {len(self.inbox)}; {self.channel} rows: {states}; {self.arrived.total()} arrived at "
            f"{len(self.arrived)}, {self.shown.total()} shown; {len(self.doubled)} a second time, {len(self.lost)} lost"
        )
