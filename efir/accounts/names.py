"""How people may be called: in one line, which everybody in the room reads."""

from __future__ import annotations

from unicodedata import category

from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.utils.translation import gettext_lazy as _

# What a form takes, and what is kept at the most (the command line may bring more than a form).
LONGEST_NAME, LONGEST_KEPT = 60, 150

# Controls and ends of lines: a terminal obeys them, a CSV file and a message are torn by them.
_TEARING = frozenset({"Cc", "Zl", "Zp"})
# Persian, Indian scripts and emoji join letters by these; all others of their kind only hide or turn text round.
_JOINERS = frozenset("\u200c\u200d")
# Letters by their kind, and nothing is to be seen of them.
_BLANK_LETTERS = frozenset("\u115f\u1160\u3164\uffa0")


def clean_name(text: str) -> str:
    """The name as it is kept; what comes along unseen with a pasted one falls away. Raises ValidationError."""
    seen = "".join(sign for sign in text.strip() if sign in _JOINERS or category(sign) != "Cf")
    name = " ".join(seen.split())
    if _TEARING & set(map(category, seen)) or not any(map(_is_read, name)):
        raise ValidationError(_("Напишите имя буквами, в одну строку, без невидимых знаков."))
    MaxLengthValidator(LONGEST_KEPT)(name)
    return name


def _is_read(sign: str) -> bool:
    return sign.isalnum() and sign not in _BLANK_LETTERS
