"""Secrets of gateways at rest."""

import pytest
from pytest_django import Settings

from checklists.models import Campaign
from readiness.models import Gateway
from readiness.reminders import sealed
from tests.factories import EAST
from villages.models import Cadre

SECRETS = {"token": "4f1c9d0b7e", "secret": "SEC-密"}


def test_what_was_sealed_opens_again_and_shows_nothing(settings: Settings) -> None:
    kept = sealed.seal(SECRETS)
    assert sealed.unseal(kept) == sealed.unseal(memoryview(kept)) == SECRETS
    assert b"4f1c9d0b7e" not in kept
    assert sealed.seal(SECRETS) != kept  # nobody sees that two are the same


def test_the_key_may_change(settings: Settings) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the first", []
    kept = sealed.seal(SECRETS)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the second", ["the first"]
    assert sealed.unseal(kept) == SECRETS
    kept = sealed.seal(sealed.unseal(kept))
    settings.SECRET_KEY_FALLBACKS = []
    assert sealed.unseal(kept) == SECRETS
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the third", ["a fourth"]
    with pytest.raises(sealed.Unreadable):
        sealed.unseal(kept)


@pytest.mark.parametrize("spoilt", [b"", b"x", b"gAAAAA", "密".encode()])
def test_what_was_not_sealed_here_does_not_open(spoilt: bytes) -> None:
    with pytest.raises(sealed.Unreadable):
        sealed.unseal(spoilt)
    kept = sealed.seal(SECRETS)
    with pytest.raises(sealed.Unreadable):
        sealed.unseal(kept[:-9] + (b"B" if kept[-9:-8] == b"A" else b"A") + kept[-8:])


def test_a_gateway_keeps_its_secrets_sealed(cast: dict[str, Cadre], campaign: Campaign) -> None:
    made = Gateway.objects.create(
        channel="dingtalk_robot", unit_id=EAST, campaign=campaign, name="东镇群", made_by=cast["ada"],
        host="https://oapi.dingtalk.com", sealed=sealed.seal(SECRETS),
    )  # fmt: skip
    made.refresh_from_db()
    assert sealed.unseal(made.sealed) == SECRETS
    assert "4f1c9d0b7e" not in repr(vars(made))
