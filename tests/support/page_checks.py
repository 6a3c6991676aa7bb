"""What holds for every page in every state, in both languages, on a phone and a desktop, in the light and the dark."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.support.html_checks import mistakes_in
from tools.screenshots.browser import DESKTOP, PHONE, Opened, Visitors
from tools.screenshots.catalogue import CATALOGUE, State

AXE = Path(__file__).with_name("vendor") / "axe-core-4.14.1.min.js"
WIDEST = {"width": 1920, "height": 1080}
RUN_AXE = """async (exempt) => {
  const rules = Object.fromEntries(exempt.map((rule) => [rule, { enabled: false }]));
  const { violations } = await axe.run(document, { iframes: false, resultTypes: ["violations"], rules });
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
}"""
# Where a page's scripts are off the browser's tests may look at it still, but no timer runs: axe, which waits by them,
# goes on at once, and what it would do only after a while is not done.
WITHOUT_TIMERS = """() => {
  window.setTimeout = (act, ms = 0, ...rest) => { if (ms < 50) Promise.resolve().then(() => act(...rest)); };
}"""
# What sticks out to the right of the window, outside of boxes that scroll by themselves.
TOO_WIDE = """() => {
  const width = document.documentElement.clientWidth;
  const scrolls = (each) => each && (getComputedStyle(each).overflowX !== "visible" || scrolls(each.parentElement));
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.querySelectorAll("body *")]
    .filter((each) => each.getBoundingClientRect().right > width + 1 && !scrolls(each.parentElement))
    .map((each) => `${each.tagName} #${each.id} .${each.className}`).slice(0, 5).concat("wider than the window");
}"""


def in_group(group: str) -> Any:
    """Parametrize a test by the states of one group and the languages."""
    states = [state for state in CATALOGUE if state.group == group]
    pairs = [pytest.param(s, lang, id=f"{s.name}-{lang}") for s in states for lang in ("ru", "en")]
    return pytest.mark.parametrize(("state", "language"), pairs)


def check(visitors: Visitors, state: State, language: str) -> None:
    """Load the state once, and look at it in every shape; everything that is wrong is told at once."""
    with visitors.opened(state, language) as shown:
        wrong = mistakes_in(shown.html)
        if not state.scripts:
            shown.page.evaluate(WITHOUT_TIMERS)
        shown.page.evaluate(_axe())
        for viewport in (DESKTOP, PHONE):
            for scheme in ("light", "dark"):
                shown.page.set_viewport_size(viewport)
                shown.page.emulate_media(color_scheme=scheme)
                wrong += [f"{viewport['width']} {scheme}: {each}" for each in _look(shown)]
        shown.page.set_viewport_size(WIDEST)
        wrong += shown.page.evaluate(TOO_WIDE)
        assert shown.page.locator("html").get_attribute("lang") == language
        assert wrong + shown.complaints == [], wrong + shown.complaints
        assert shown.status == state.status


def _look(shown: Opened) -> list[str]:
    return shown.page.evaluate(RUN_AXE, list(shown.state.exempt)) + shown.page.evaluate(TOO_WIDE)


@cache
def _axe() -> str:
    return AXE.read_text(encoding="utf-8")
