"""The files of a logo and their paths."""

from __future__ import annotations

LOGO, TOUCH_ICON, ICON = "logo.png", "touch.png", "icon.png"
NAMES = (LOGO, TOUCH_ICON, ICON)
ID = r"[0-9a-f]{32}"


def logo_path(digest: str, name: str) -> str:
    """Return the path of one file; its content never changes."""
    return f"/site/logo/{digest}/{name}"
