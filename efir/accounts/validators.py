"""Validators for names and passwords."""

from __future__ import annotations

import re
from unicodedata import category, normalize

from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from efir.accounts.models import NAME_MAX_LENGTH
from efir.lib.text import clean_line

# --- Names: one line that everybody in the room reads ---

# A form takes this many characters; the column holds more, since the command line may bring longer names.
NAME_FORM_MAX_LENGTH = 60

# Control characters and line ends are obeyed by a terminal and break CSV files and messages.
_CONTROL_CATEGORIES = frozenset({"Cc", "Zl", "Zp"})

# Telegram turns text that looks like an address into a link, so a name could put a link into the bot's messages. Names
# have dots, too («А.С. Пушкин», «J.R.R. Tolkien»), so that without `://` a known end is needed, or any end and a path.
_DOTS = str.maketrans("\u3002\uff61\u2024\u0701\u0702", ".....")
_ENDS = (
    r"com|net|org|info|biz|edu|gov|int|mil|pro|name|mobi|tel|asia|cat|jobs|travel|xyz|top|site|online|website"
    r"|store|shop|club|link|click|live|app|dev|page|web|cloud|tech|space|fun|icu|vip|win|bid|loan|work|world|today|life"
    r"|news|blog|chat|team|zone|email|support|help|center|agency|digital|media|social|video|stream|finance|money|bank"
    r"|art|moscow|xn--[a-z0-9-]+"
)
_CYRILLIC_ENDS = "рф|рус|онлайн|сайт|орг|ком|москва|дети|бел|укр|мкд|срб|бг|ею|қаз|мон"
_ADDRESS = re.compile(
    r"\w\s*:\s*[/\\]{2}|\bwww\s*\.|\b\d{1,3}(?:\.\d{1,3}){3}\b|(?<!\w)@\w{4,}"
    rf"|\b[\w-]+\.(?:[\w-]+\.)*(?:{_ENDS})(?![\w-]|\.\w)"
    rf"|\b[\w-]{{2,}}\.(?:[\w-]+\.)*(?:[a-z]{{2}}|{_CYRILLIC_ENDS})(?![\w-]|\.\w)"
    r"|\b\w\.(?:me|co|to|cc|gg|im|ly)(?![\w-]|\.\w)"  # one letter: t.me, but not M.Sc.
    r"|\b[\w-]+\.\w{2,}/\S"
)
# There are some 1,500 ends. In lower case a word behind a dot is no name («St.John», «Dr.Smith»).
_LOWER_CASE_HOST = re.compile(r"\b[\w-]{2,}\.[a-z]{3,}(?![\w-])")


def clean_name(text: str) -> str:
    """Return the name as it is stored, without the invisible characters that a paste brings along.

    Raises ValidationError if nothing readable is left, if the name has several lines, if it is too long, or if it
    holds an address.
    """
    name = clean_line(text)
    has_control = _CONTROL_CATEGORIES & set(map(category, text.strip()))
    if has_control or not any(char.isalnum() for char in name):
        raise ValidationError(_("Напишите имя буквами, в одну строку, без невидимых знаков."))
    MaxLengthValidator(NAME_MAX_LENGTH)(name)
    if holds_address(name):
        raise ValidationError(_("Напишите одно имя, без адресов и ссылок."))
    return name


def holds_address(text: str) -> bool:
    """Return whether a messenger would turn a part of the text into a link, or a reader would take it for one."""
    text = normalize("NFKC", text).translate(_DOTS)
    return bool(_ADDRESS.search(text.lower()) or _LOWER_CASE_HOST.search(text))


def name_from_login(login: str) -> str:
    """Return a name that does not reveal the login: no complete e-mail address and no complete number."""
    if login.startswith("+"):
        return f"Участник {login[-4:]}"
    name = login.partition("@")[0]
    return name.replace(".", " ") if holds_address(name) else name


# --- Passwords: Django's rules (AUTH_PASSWORD_VALIDATORS) with the product's own error texts ---


class MinLengthValidator(password_validation.MinimumLengthValidator):
    """Refuse short passwords."""

    def get_error_message(self) -> str:
        return ngettext(
            "Пароль короткий: нужен хотя бы %(count)d знак.",
            "Пароль короткий: нужно хотя бы %(count)d знаков.",
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
