"""Normalize telephone numbers: each has one spelling, + and digits.

The `phonenumbers` library is not used: its rules change with its releases, and a stored login must stay what it is.
"""

from __future__ import annotations

import re

from efir.lib.text import clean_token

_PHONE = re.compile(r"\+7\d{10}|\+(?!7)[1-9]\d{9,14}", re.ASCII)
_SCHEME = re.compile(r"(?:tel|callto|sms):(?://)?", re.IGNORECASE)
_FILLERS = re.compile(r"[\s()\[\]\-./·•∙_]")
# Countries whose people write the trunk prefix 0 after the country code, although no number begins with it.
_ZERO_AFTER_CODE = re.compile(
    r"(?P<code>20|27|3[123]|4[013469]|5[1458]|6[012346]|8[1246]|9[0-58]"
    r"|21[23]|353|35[589]|37[34]|38[0125679]|421|886|96[1-7]|97[1267]|99[456])0+(?P<rest>[1-9]\d+)",
    re.ASCII,
)
# No country code begins like this: it is a Russian number whose trunk prefix 8 got a plus.
_EIGHT_WITH_PLUS = re.compile(r"8([379]\d{9})", re.ASCII)


def normalize_phone(typed: str) -> str:
    """Return the number as + and digits, or an empty string if it is not a number.

    Numbers without a country code are Russian (8 999 …, 7 999 … and 999 … are the same) and must have all digits.
    """
    text = _SCHEME.sub("", clean_token(typed).strip(" ,;.<>\"'«»"), count=1)
    match = re.fullmatch(r"(\+?)(\d{10,18})", _FILLERS.sub("", text.replace("(0)", "")), re.ASCII)
    if match is None:
        return ""
    has_plus, digits = bool(match[1]), match[2]
    # The prefix of calls abroad, from Russia and from elsewhere. Behind a plus 81 is Japan, unless +7 follows.
    if abroad := re.fullmatch(
        r"810(7\d{10})" if has_plus else r"(?:810(?=\d{11})|00)([1-9]\d{9,14})", digits
    ):
        has_plus, digits = True, abroad[1]
    elif has_plus:
        digits = digits.removeprefix("00")
    if not has_plus and len(digits) == 10 and digits.startswith("9"):
        digits = f"7{digits}"
    elif not has_plus and digits.startswith("8"):
        digits = f"7{digits[1:]}" if len(digits) == 11 else ""
    elif not has_plus and len(digits) == 10:
        return ""
    elif eight := _EIGHT_WITH_PLUS.fullmatch(digits):
        digits = f"7{eight[1]}"
    if zero := _ZERO_AFTER_CODE.fullmatch(digits):
        digits = zero["code"] + zero["rest"]
    return f"+{digits}" if is_phone(f"+{digits}") else ""


def is_phone(text: str) -> bool:
    """Return whether the text is a normalised number."""
    return _PHONE.fullmatch(text) is not None
