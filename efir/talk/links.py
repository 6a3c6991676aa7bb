"""Find links, which only those who moderate may send."""

from __future__ import annotations

import re

# Endings that are words as well. In a sentence without a space after the full stop they begin with a capital letter:
# «Добрый вечер.Москва на связи», "OK.By the way".
_WORDS = (
    "me|site|online|shop|store|top|club|pro|link|app|by|in|us|live|space|website|world|life|"
    "москва|онлайн|сайт|дети"
)
_OTHERS = "ru|рф|su|com|net|org|info|biz|io|xyz|dev|cc|tv|kz|ua|eu|de|uk|cn|co|ly|gl|vip|icu"
# A scheme, `www.`, or a name that ends in a common top-level domain. What else looks like an address is no link.
_LINK = re.compile(
    r"(?i:[a-z][a-z0-9+.-]*://|\bwww\.|\bt\.me\b)|"
    rf"(?<![\w.-])(?:[\w-]+\.)+(?:(?i:{_OTHERS})|{_WORDS}|{_WORDS.upper()})(?!\w)"
)


def contains_link(text: str) -> bool:
    """Return whether the text contains a link."""
    return _LINK.search(text) is not None
