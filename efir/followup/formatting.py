"""What the messages' texts share."""

from __future__ import annotations

from html import escape

from django.conf import settings

# Both far below what makes a message too long (4096 characters), whatever the rest of it says.
TITLE_LENGTH = 300
NAME_LENGTH = 150


def shown(text: str, length: int) -> str:
    """One line of at most `length` characters, escaped: shortened before, so that no entity is cut."""
    line = " ".join(text.split())
    if len(line) > length:
        line = line[: length - 1].rstrip() + "…"
    return escape(line, quote=False)


def address(path: str) -> str:
    """A page of this installation, as a message has to give it."""
    return f"{settings.EFIR.public_url}{path}"
