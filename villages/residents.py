"""No resident is recorded here: an identity number is refused wherever people write.

Twin in the child that looks into files: checklists/evidence/decoding.py.
"""

import re

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

REFUSAL = _("Residents' identity numbers are not recorded here. Take it out; the place and the matter are enough.")
# 18 places, in groups or not, full-width digits too; as part of a longer number it is none.
NUMBER = re.compile(r"(?<!\d)(?=((?:\d[\s·-]{0,3}){17}[\dXxＸｘ])(?![\dA-Za-z]))")


def names_a_resident(words: str) -> bool:
    """Whether an identity number stands in it: a day of birth that can be, and the check digit of GB 11643-1999."""
    return any(_is_identity(match[1]) for match in NUMBER.finditer(words))


def _is_identity(found: str) -> bool:
    digits = [10 if one in "XxＸｘ" else int(one) for one in found if one.isdecimal() or one in "XxＸｘ"]
    month, day = digits[10] * 10 + digits[11], digits[12] * 10 + digits[13]
    is_date = digits[6] * 10 + digits[7] in (19, 20) and 1 <= month <= 12 and 1 <= day <= 31
    return is_date and sum(n << 17 - i for i, n in enumerate(digits)) % 11 == 1  # ISO 7064: MOD 11-2


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
