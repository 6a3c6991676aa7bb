"""Countdowns follow the server's clock, not the viewer's."""

from __future__ import annotations

import re

import pytest

from tests.browser.pages import a_page

AHEAD_MS = 90 * 60 * 1000
TELLS_OFFSET = """async () => {
  const files = performance.getEntriesByType("resource").map(({ name }) => name);
  const { serverNow } = await import(files.find((name) => name.includes("/js/clock")));
  return serverNow() - Date.now();
}"""


@pytest.fixture
def schedule(chromium, site, cast):
    """The schedule in a browser, from a server whose clock is ahead: the page's address is loaded by the test."""
    cast.webinar()
    page = a_page(chromium, site)

    def ahead(route):
        answer = route.fetch()
        told = re.sub(
            r"(clock;dur=)(\d+)", lambda m: f"{m[1]}{int(m[2]) + AHEAD_MS}", answer.headers["server-timing"]
        )
        route.fulfill(response=answer, headers=answer.headers | {"server-timing": told})

    page.route("**/webinars/", ahead)
    yield page
    page.context.close()


def test_the_header_moves_the_countdown(schedule):
    schedule.goto("/webinars/")
    assert abs(schedule.evaluate(TELLS_OFFSET) - AHEAD_MS) < 5000
