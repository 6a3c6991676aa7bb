"""The files of one poster and their paths."""

from __future__ import annotations

import re

WIDTHS = (480, 960, 1600)  # a smaller picture is not enlarged: its files are as wide as it is
WIDTH, HEIGHT = 1600, 900
SHARE_IMAGE = "share.jpg"  # for link previews, and for browsers without WebP
SHARE_WIDTH, SHARE_HEIGHT = 1200, 630

ID = r"[0-9a-f]{32}"
CONTENT_TYPES = {**{f"{width}.webp": "image/webp" for width in WIDTHS}, SHARE_IMAGE: "image/jpeg"}


def is_poster_id(text: str) -> bool:
    """Return whether the text has the form of a poster's id."""
    return re.fullmatch(ID, text) is not None


def poster_path(digest: str, name: str) -> str:
    """Return the path of one file; its content never changes."""
    return f"/posters/{digest}/{name}"
