"""The control: a sender that believes that whoever died had not sent, and sends again, whoever the platform is."""

from datetime import timedelta

from readiness.models import Channel
from readiness.reminders import sender
from tests.chaos.app import app

__all__ = ["app"]
sender.DEDUPLICATE = dict.fromkeys(Channel, timedelta(days=1))
