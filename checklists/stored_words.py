"""Words that the software put together and stored: known again in whichever language it spoke then."""

from collections.abc import Iterable

from django.conf import settings
from django.utils.translation import gettext, override


def known(msgids: Iterable[str]) -> dict[str, str]:
    """How each of them reads in each language -> its msgid, for `gettext` to say it to whoever reads now."""
    wanted, found = list(msgids), dict[str, str]()
    for language, _name in settings.LANGUAGES:
        with override(language):
            found |= {gettext(msgid): msgid for msgid in wanted}
    return found
