"""One spelling for one id: no leading zeros, no other digits, nothing too large for the database."""

from __future__ import annotations

import re

PATTERN = "[1-9][0-9]{0,17}"
LARGEST = 10**18 - 1


def parse(text: str) -> int | None:
    """The id that `text` spells, or nothing."""
    return int(text) if re.fullmatch(PATTERN, text) else None
