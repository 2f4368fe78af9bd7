"""No resident is recorded here: an identity number is refused wherever people write.

Twin in the child that looks into files: checklists/evidence/decoding.py.
"""

import re

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

REFUSAL = _("Residents' identity numbers are not recorded here. Take it out; the place and the matter are enough.")
# Six digits of a place, a day since 1900, four more; in groups or not, in full width or not, in no longer number.
NUMBER = re.compile(
    r"(?<!\d)(?=((?:\d_){6}(?:[1１]_[9９]|[2２]_[0０])_(?:\d_){2}[01０１]_\d_[0-3０-３]_(?:\d_){4}[\dXxＸｘ])"
    r"(?![\dA-Za-z]))".replace("_", r"[ \u3000\xa0·-]{0,3}")
)


def names_a_resident(words: str) -> bool:
    """Whether an identity number stands in it: a day of birth that can be, and the check digit of GB 11643-1999."""
    return any(_is_identity(match[1]) for match in NUMBER.finditer(words))


def _is_identity(found: str) -> bool:
    digits = [10 if one in "XxＸｘ" else int(one) for one in found if one.isdecimal() or one in "XxＸｘ"]
    month, day = digits[10] * 10 + digits[11], digits[12] * 10 + digits[13]
    rest = sum(n << 17 - i for i, n in enumerate(digits)) % 11  # ISO 7064: MOD 11-2
    return 1 <= month <= 12 and 1 <= day <= 31 and rest == 1


def no_identity_number(words: str) -> None:
    """Refuses text with an identity number in it.

    Raises:
        ValidationError: saying what to do.
    """
    if names_a_resident(words):
        raise ValidationError(REFUSAL, code="resident")


class Words(forms.CharField):
    """What people write in their own words."""

    default_validators = [no_identity_number]
