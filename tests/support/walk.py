"""A newcomer's way through the pages: counts clicks and keys, and takes screenshots on request."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.sync_api import Locator, Page

# Keystroke-level model (Card, Moran, Newell 1980), in seconds: deciding, pointing, pressing a button, moving the hand
# to the keyboard, and a key of somebody who types 40 words a minute.
DECIDE_S, POINT_S, PRESS_S, HAND_S, KEY_S = 1.35, 1.1, 0.2, 0.4, 0.28
# `WALK_PICTURES=docs/walks/pictures pytest tests/browser/test_walk.py` renews the pictures of docs/walks.
PICTURES = os.environ.get("WALK_PICTURES", "")


class Walker:
    """Clicks and types as a person would, and counts both.

    `clicks`: presses of a button, a link, a checkbox, a choice in a list, or a browser's own question. Fields are
    reached with the Tab key. `seconds`: how long a practised person needs for it by the keystroke-level model; reading
    and waiting are not in it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.clicks = 0
        self.seconds = 0.0
        self.steps: list[str] = []

    def click(self, target: Locator, what: str = "") -> None:
        """Click an element of the page."""
        what = what or target.inner_text().strip()
        target.click()
        self.count(what)

    def count(self, what: str) -> None:
        """Count a click outside the page: in a browser's dialog or another program."""
        self.clicks += 1
        self.seconds += DECIDE_S + POINT_S + PRESS_S
        self.steps.append(f"{self.clicks:2} {what}")

    def type(self, page: Page, name: str, text: str) -> None:
        """Fill the field of this name."""
        page.fill(f"[name={name}]", text)
        self.seconds += DECIDE_S + HAND_S + len(text) * KEY_S

    def choose(self, page: Page, name: str, label: str) -> None:
        """Choose from a list: open it, click the option."""
        page.select_option(f"[name={name}]", label=label)
        self.count(f"{label} ▾")

    def picture(self, page: Page, name: str) -> None:
        """Take a screenshot of the page, if screenshots were requested."""
        if PICTURES:
            Path(PICTURES).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=f"{PICTURES}/{self.name}-{name}.png", animations="disabled")

    def __str__(self) -> str:
        return "\n".join([f"{self.name}: {self.clicks} clicks, {self.seconds:.0f} s", *self.steps])
