"""What boards and reminders keep."""

from readiness.models.board import Gap, WallPass
from readiness.models.channel import PERSONAL, ROBOTS, Account, Channel, Gateway, Rules, Wishes
from readiness.models.notice import Escalation, News, Notice
from readiness.models.running import Heartbeat, Planned, Sender

__all__ = [
    "PERSONAL",
    "ROBOTS",
    "Account",
    "Channel",
    "Escalation",
    "Gap",
    "Gateway",
    "Heartbeat",
    "News",
    "Notice",
    "Planned",
    "Rules",
    "Sender",
    "WallPass",
    "Wishes",
]
