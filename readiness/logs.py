"""What the log may hold. Loaded by the settings, so it imports nothing of ours."""

import logging
import re
import time

# Addresses whose last part opens a wall or a calendar for whoever reads it, as in readiness/urls.py.
SECRET = re.compile(r"(/campaigns/\d+/wall/|/calendar/)[^/?\s]+")
PAUSE = 60  # seconds between two words about secrets that do not fit


class SecretAddresses(logging.Filter):
    """Takes the secret part out of addresses, and tells of wrong ones at most once a minute."""

    def __init__(self) -> None:
        super().__init__()
        self.told_at = -float(PAUSE)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to keep the line."""
        told = record.getMessage()
        if not SECRET.search(told):
            return True
        record.msg, record.args = SECRET.sub(r"\1…", told), None
        if getattr(record, "status_code", None) != 404:
            return True
        now = time.monotonic()
        if now - self.told_at < PAUSE:
            return False
        self.told_at = now
        return True
