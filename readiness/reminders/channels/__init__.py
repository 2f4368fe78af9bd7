"""How a notice leaves the house."""

from readiness.reminders.channels.answers import Accepted, Later, NotSent, Refused, Unclear
from readiness.reminders.channels.mail import mail

__all__ = ["Accepted", "Later", "NotSent", "Refused", "Unclear", "mail"]
