"""Ids in addresses and forms, in one spelling: ASCII digits, no leading zeros, in the range of the database."""

from __future__ import annotations

import re

# 18 digits always fit into the database's signed 64 bits.
PATTERN = "[1-9][0-9]{0,17}"
LARGEST = 10**18 - 1


def parse(text: str) -> int | None:
    """Return the id that `text` spells, or None."""
    return int(text) if re.fullmatch(PATTERN, text) else None


def parse_pasted(text: str) -> int | None:
    """Return the id of a pasted link, whose end may have punctuation behind it, or None."""
    match = re.match(rf"({PATTERN})(?!\w)", text.strip(), re.ASCII)
    return int(match[1]) if match else None
