"""What the log may hold. Loaded by the settings, so it imports nothing of ours."""

import logging
import re
import time

# The address of a wall pass, as in readiness/urls.py: its last part opens the wall for whoever reads it.
WALL = re.compile(r"(/campaigns/\d+/wall/)[^/?]+")
PAUSE = 60  # seconds between two words about passes that do not fit


class WallPasses(logging.Filter):
    """Takes the secret part out of addresses, and tells of wrong ones at most once a minute."""

    def __init__(self) -> None:
        super().__init__()
        self.told_at = -float(PAUSE)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to keep the line."""
        told = record.getMessage()
        if not WALL.search(told):
            return True
        record.msg, record.args = WALL.sub(r"\1…", told), None
        if getattr(record, "status_code", None) != 404:
            return True
        now = time.monotonic()
        if now - self.told_at < PAUSE:
            return False
        self.told_at = now
        return True
