"""The control: a sender that believes that whoever died had not sent, and sends again, whoever the platform is."""

from datetime import timedelta

from django.utils import timezone

from tests.chaos import app  # isort: skip (first: it sets Django up, and makes every day a working day)
from readiness.models import Channel  # isort: skip
from readiness.reminders import lease, outbox, sender  # isort: skip

if __name__ == "__main__":
    assert app
    lease.KNOWN = dict.fromkeys(Channel, timedelta(days=1))
    outbox.write(timezone.localdate())
    sender.deliver()
