"""The room's call-to-action is whole on the first screen of a small laptop."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tools.screenshots.browser import open_state
from tools.screenshots.catalogue import CATALOGUE
from tools.screenshots.installations import Installations

LAPTOPS = ({"width": 1366, "height": 768}, {"width": 1280, "height": 720}, {"width": 1024, "height": 768})
STATES = [state for state in CATALOGUE if state.name.startswith("room-cta")]
# As long as the form allows.
TITLE, SPEAKER = "Первый шаг за один вечер " * 8, "Анна-Мария Ветрова-Константинопольская " * 3
# Without a chat the player is as wide as the page.
WIDE_JS = """document.getElementById("studio").classList.add("wide")"""
NAMES_JS = """([title, speaker]) => {
  document.querySelector(".room-title h1").textContent = title;
  document.querySelector(".room-title p").textContent = speaker;
}"""


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_call_to_action_is_whole_on_the_first_screen(
    chromium: Browser, installations: Installations, state, language
):
    with open_state(chromium, installations, state, language, LAPTOPS[0]) as shown:
        shown.page.evaluate(WIDE_JS)
        for names in (None, (TITLE[:200], SPEAKER[:120])):
            if names:
                shown.page.evaluate(NAMES_JS, names)
            for size in LAPTOPS:
                shown.page.set_viewport_size(size)
                shown.page.evaluate("scrollTo(0, 0)")
                box = shown.page.locator("#cta button").bounding_box()
                assert box
                assert box["y"] + box["height"] <= size["height"], (size, names)
