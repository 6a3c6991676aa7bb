"""Validators for names and passwords."""

from __future__ import annotations

from unicodedata import category

from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

# --- Names: one line that everybody in the room reads ---

# A form takes this many characters; the column holds 150, since the command line may bring longer names.
NAME_FORM_MAX_LENGTH = 60
NAME_MAX_LENGTH = 150

# Control characters and line ends would be obeyed by a terminal and would break CSV files and messages.
_CONTROL_CATEGORIES = frozenset({"Cc", "Zl", "Zp"})
# Format characters (Cf) hide or reverse text, except these two: Persian, Indian scripts and emoji need them.
_JOINERS = frozenset("\u200c\u200d")
# Unicode counts these fillers as letters, but they show nothing.
_BLANK_LETTERS = frozenset("\u115f\u1160\u3164\uffa0")


def clean_name(text: str) -> str:
    """Return the name as it is stored, without the invisible characters that a paste brings along.

    Raises ValidationError if nothing readable is left, if the name has several lines, or if it is too long.
    """
    visible = "".join(char for char in text.strip() if char in _JOINERS or category(char) != "Cf")
    is_readable = any(char.isalnum() and char not in _BLANK_LETTERS for char in visible)
    if not is_readable or _CONTROL_CATEGORIES & set(map(category, visible)):
        raise ValidationError(_("Напишите имя буквами, в одну строку, без невидимых знаков."))
    name = " ".join(visible.split())
    MaxLengthValidator(NAME_MAX_LENGTH)(name)
    return name


# --- Passwords: Django's rules (AUTH_PASSWORD_VALIDATORS) with the product's own error texts ---


class MinLengthValidator(password_validation.MinimumLengthValidator):
    """Refuse short passwords."""

    def get_error_message(self) -> str:
        return ngettext(
            "Пароль короткий: нужен хотя бы %(count)d символ.",
            "Пароль короткий: нужно хотя бы %(count)d символов.",
            self.min_length,
        ) % {"count": self.min_length}


class CommonPasswordValidator(password_validation.CommonPasswordValidator):
    """Refuse the 20,000 most common passwords."""

    def get_error_message(self) -> str:
        return _("Этот пароль подбирают одним из первых. Придумайте другой.")


class UserAttributeValidator(password_validation.UserAttributeSimilarityValidator):
    """Refuse passwords that are close to the login or the name."""

    def get_error_message(self) -> str:
        return _("Пароль слишком похож на логин или имя. Придумайте другой.")
