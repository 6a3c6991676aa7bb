"""Find links, which only those who moderate may send."""

from __future__ import annotations

import re

# A scheme, `www.`, or a name that ends in a common top-level domain. What else looks like an address is no link.
_LINK = re.compile(
    r"[a-z][a-z0-9+.-]*://|\bwww\.|\bt\.me\b|"
    r"(?<![\w.-])(?:[\w-]+\.)+(?:ru|рф|su|com|net|org|info|biz|me|io|site|online|shop|store|top|xyz|club|pro|link|app|dev|"
    r"cc|tv|by|kz|ua|eu|de|uk|cn|us|in|co|ly|gl|live|space|website|world|life|vip|icu|москва|онлайн|сайт|дети)(?!\w)",
    re.IGNORECASE,
)


def contains_link(text: str) -> bool:
    """Return whether the text has something that people could follow."""
    return _LINK.search(text) is not None
