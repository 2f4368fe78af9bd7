"""What can become of one message that was handed to a platform."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self


@dataclass(frozen=True)
class Message:
    """What a platform is given."""

    to: str  # the account, telephone number or mail address; empty for a group's robot
    subject: str
    text: str  # whole, as people read it
    key: str  # the same at every try, and nobody else's
    host: str = ""  # as in Gateway.host
    secrets: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Accepted:
    """The platform took it."""

    platform_id: str = ""  # by which the platform knows it and can be asked
    delivered: bool = False  # it says that the person has it; else only that it took it


class NotSent(Exception):
    """Not simply taken. The message is in words for people, holds no secret and fits `Notice.error` (300)."""

    def __init__(self, message: str) -> None:
        super().__init__(message[:300])

    def hiding(self, secrets: Iterable[str]) -> Self:
        """The same without any of these words."""
        for secret in secrets:
            self.args = (self.args[0].replace(secret, "••••"),)
        return self


class Refused(NotSent):
    """The platform said no: sending the same again would not help."""


class Later(NotSent):
    """It certainly did not arrive, and may another time: could not be reached, 5xx, too fast.

    `seconds` is how long to wait at least, where the platform said so. `limited`: only too fast, so that the
    platform is well and its breaker does not count this.
    """

    def __init__(self, message: str, seconds: float | None = None, *, limited: bool = False) -> None:
        super().__init__(message)
        self.seconds = seconds
        self.limited = limited


class Unclear(NotSent):
    """The message was handed over and no answer came: it may have arrived. Never sent again blindly."""
