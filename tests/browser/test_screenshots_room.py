"""The room in every state: no mistakes in any language, width or light.

The groups are files of their own, so that they run side by side.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.support.page_checks import check, in_group
from tools.screenshots.browser import open_state
from tools.screenshots.catalogue import CATALOGUE


@in_group("room")
def test_nothing_is_wrong_with_the_page(contexts, state, language):
    check(contexts, state, language)


def test_paused_room_shows_no_running_clock(chromium, installations):
    (state,) = (each for each in CATALOGUE if each.name == "room-paused")
    with open_state(chromium, installations, state, "ru", frozen_clock=False) as shown:
        expect(shown.page.locator("#viewers")).to_have_text("1")
        expect(shown.page.locator("#elapsed")).to_be_empty()


@pytest.mark.parametrize("name", ["room-no-script", "room-no-script-waiting"])
def test_without_javascript_nothing_is_offered_that_does_not_work(chromium, installations, name):
    (state,) = (each for each in CATALOGUE if each.name == name)
    with open_state(chromium, installations, state, "ru") as shown:
        main = shown.page.locator("main")
        expect(main.locator("noscript > .notice")).to_be_visible()
        works = "#talk-form button"
        expect(main.locator(f":is(button, summary, meter):visible:not({works})")).to_have_count(0)
        expect(main.get_by_text("Эфир откроется здесь сам")).to_be_hidden()
        gaps = (
            "all => all.filter((p) => !p.textContent && p.offsetHeight && p.id !== 'says').map((p) => p.id)"
        )
        assert main.locator("p").evaluate_all(gaps) == []
