"""Budgets of a first visit: transferred bytes and layout shifts."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page

from tools.screenshots.browser import DESKTOP, PHONE, open_state
from tools.screenshots.catalogue import CATALOGUE
from tools.screenshots.installations import Installations

STATES = {state.name: state for state in CATALOGUE}
KB = 1000
# Bytes as they came over the wire, headers and all; of posters, which have a budget of their own, nothing.
ON_THE_WIRE = """() => performance.getEntries()
  .filter(({ entryType }) => entryType === "navigation" || entryType === "resource")
  .map(({ name, transferSize }) => [new URL(name).pathname, transferSize])"""
SHIFTS = """new PerformanceObserver((list) => {
  for (const each of list.getEntries()) if (!each.hadRecentInput) window.shifted = (window.shifted ?? 0) + each.value;
}).observe({ type: "layout-shift", buffered: true });"""


def sizes(page: Page) -> dict[str, int]:
    """Return what this page has loaded: path → bytes."""
    found: list[tuple[str, int]] = page.evaluate(ON_THE_WIRE)
    return {path: size for path, size in found if not path.startswith("/posters/")}


@pytest.mark.parametrize("name", ["schedule-one-guest", "schedule-evening-guest"])
def test_a_first_visit_to_the_schedule_is_light(chromium: Browser, installations: Installations, name: str):
    with open_state(chromium, installations, STATES[name], "ru", frozen_clock=False) as shown:
        loaded = sizes(shown.page)
    scripts = sum(size for path, size in loaded.items() if path.endswith(".js"))
    assert loaded["/webinars/"] > 0
    assert scripts > 0
    assert sum(loaded.values()) < 100 * KB, loaded
    assert scripts < 30 * KB, loaded


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize(
    "name", ["schedule-evening-guest", "schedule-one-seat", "account-partner", "room-waiting"]
)
def test_nothing_jumps_while_a_page_loads(
    chromium: Browser, installations: Installations, name: str, viewport: dict[str, int]
):
    with open_state(chromium, installations, STATES[name], "ru", viewport, frozen_clock=False) as shown:
        shown.page.add_init_script(SHIFTS)
        shown.page.reload()
        # Two frames: what the scripts have added is laid out, and its shift is told.
        shown.page.evaluate(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
        )
        assert shown.page.evaluate("window.shifted ?? 0") < 0.05
