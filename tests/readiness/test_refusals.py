"""What is sent and is too much for the server is refused on a page of ours."""

from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from django.conf import LazySettings
from django.test import Client

from checklists.models import Campaign

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("on_a_laptop", [False, True])
@pytest.mark.parametrize(("limit", "most"), [("MAX_MEMORY_SIZE", 1000), ("MAX_NUMBER_FIELDS", 20)])
@pytest.mark.parametrize("kind", [FORM, "multipart/form-data"])
def test_too_much_at_once_is_refused_in_our_words(
    kind: str,
    limit: str,
    most: int,
    on_a_laptop: bool,
    settings: LazySettings,
    campaign: Campaign,
    as_: Callable[[str], Client],
) -> None:
    fields = {f"field{n}": "长" * 20 for n in range(30)}
    sent = {"data": urlencode(fields), "content_type": FORM} if kind == FORM else {"data": fields}
    ada, address = as_("ada"), f"/campaigns/{campaign.pk}/setup/items/paste/"
    assert ada.post(address, **sent).status_code == 422
    settings.DEBUG = on_a_laptop
    setattr(settings, f"DATA_UPLOAD_{limit}", most)
    for headers in ({}, {"hx-request": "true"}):
        refused = ada.post(address, **sent, headers=headers)
        assert refused.status_code == 413
        assert "什么都没保存" in refused.text
        assert refused.headers["Content-Security-Policy"]
    assert Client().post("/login/", **sent).status_code == 413
    assert ada.post(address, {"text": "甲"}).status_code == 422
