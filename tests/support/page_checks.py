"""Checks for every page in every state, in both languages, on a phone and a desktop, in light and dark mode."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.support.html_checks import mistakes_in
from tools.screenshots.browser import DESKTOP, PHONE, ContextPool, OpenPage
from tools.screenshots.catalogue import CATALOGUE
from tools.screenshots.state import State

AXE = Path(__file__).with_name("vendor") / "axe-core-4.14.1.min.js"
# The narrowest window at which WCAG 2.2 asks for a page that does not scroll sideways (1.4.10, Reflow).
NARROWEST = {"width": 320, "height": 640}
WIDEST = {"width": 1920, "height": 1080}
RUN_AXE = """async ([exempt, only]) => {
  const rules = Object.fromEntries(exempt.map((rule) => [rule, { enabled: false }]));
  const options = { iframes: false, resultTypes: ["violations"] };
  if (only.length) options.runOnly = only.filter((rule) => !exempt.includes(rule));
  else options.rules = rules;
  const { violations } = await axe.run(document, options);
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
}"""
# What may change with the light alone; every other rule reads the same document in both.
COLOUR_RULES = ("color-contrast", "link-in-text-block")
# The shape in which each language has every rule: the first one sees the desktop, the second one the phone.
WHOLE = {"ru": (DESKTOP, "light"), "en": (PHONE, "dark")}
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

# Words that are broken between two letters, which hashes and addresses may be.
BROKEN_WORDS = """() => {
  const found = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode;
    for (const word of node.data.matchAll(/\\p{L}{3,}/gu)) {
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].filter(({ width }) => width).map(({ top }) => Math.round(top)));
      if (lines.size > 1) found.push(`«${word[0]}» is broken`);
    }
  }
  return found;
}"""


def in_group(group: str) -> Any:
    """Parametrize a test by the states of one group and the languages."""
    states = [state for state in CATALOGUE if state.group == group]
    pairs = [pytest.param(s, lang, id=f"{s.name}-{lang}") for s in states for lang in ("ru", "en")]
    return pytest.mark.parametrize(("state", "language"), pairs)


def check(contexts: ContextPool, state: State, language: str) -> None:
    """Load the state once and check it in every shape: all of axe in one, the colour rules and the width in the others.

    English, the second language, differs in its texts alone: it has all of axe on the phone, and the width everywhere.
    """
    with contexts.open_state(state, language) as shown:
        wrong = mistakes_in(shown.html)
        if not state.javascript:
            shown.page.evaluate(WITHOUT_TIMERS)
        shown.page.evaluate(_axe())
        for viewport in (DESKTOP, PHONE):
            for scheme in ("light", "dark"):
                shown.page.set_viewport_size(viewport)
                shown.page.emulate_media(color_scheme=scheme)
                is_whole = WHOLE[language] == (viewport, scheme)
                rules = () if is_whole else COLOUR_RULES if language == "ru" else None
                wrong += [f"{viewport['width']} {scheme}: {each}" for each in _look(shown, rules)]
        for viewport in (NARROWEST, WIDEST):
            shown.page.set_viewport_size(viewport)
            wrong += [f"{viewport['width']}: {each}" for each in shown.page.evaluate(TOO_WIDE)]
        assert shown.page.locator("html").get_attribute("lang") == language
        assert wrong + shown.errors == [], wrong + shown.errors
        assert shown.status == state.status


def _look(shown: OpenPage, rules: Sequence[str] | None) -> list[str]:
    """Return what is too wide in this shape, and what breaks these rules of axe (all if empty, none if None)."""
    too_wide: list[str] = shown.page.evaluate(TOO_WIDE)
    if rules is None:
        return too_wide
    if shown.page.viewport_size == DESKTOP:
        too_wide += shown.page.evaluate(BROKEN_WORDS)
    return too_wide + shown.page.evaluate(RUN_AXE, [list(shown.state.exempt), list(rules)])


@cache
def _axe() -> str:
    return AXE.read_text(encoding="utf-8")
