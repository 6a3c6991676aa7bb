"""Browser pages of people, which are closed at the end of the test, and a page's clock that only the test moves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

from tests.support.site import PASSWORD

_opened: list[BrowserContext] = []


def a_page(chromium: Browser, site, login: str = "", password: str = PASSWORD, **options: Any) -> Page:
    """Return a page in a person's own browser; the errors of its console are collected on the page object.

    `options` are those of Playwright's `new_context`.
    """
    given = {
        "locale": "ru-RU",
        "viewport": {"width": 390, "height": 800},
        "reduced_motion": "reduce",  # without a graphics card each frame of an animation costs processor time
        "service_workers": "block",  # Playwright does not see requests that go by one, so a test could not abort them
    }
    context = chromium.new_context(base_url=site.url, **given | options)
    _opened.append(context)
    # The provider of the player is another network's: what it would show is not this test's matter.
    context.route(
        "https://www.youtube.com/**", lambda route: route.fulfill(body="эфир", content_type="text/html")
    )
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda message: message.type == "error" and page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    if login:
        page.goto("/login/")
        page.fill("[name=username]", login)
        page.fill("[name=password]", password)
        page.click("form[action*=login] button, main form button[type=submit], main form button")
        page.wait_for_url(lambda url: "/login/" not in url)  # a speaker lands on the list of webinars
        if "/account/consent/" in page.url:  # somebody whom the command line added
            page.get_by_role("button", name="Даю согласие").click()
            page.wait_for_url(lambda url: "/consent/" not in url)
    return page


@contextmanager
def closed_afterwards() -> Iterator[None]:
    """Close the browsers of people that the block opens: each of them goes on using the processor."""
    number = len(_opened)
    yield
    while len(_opened) > number:
        _opened.pop().close()


def stop_clock(page: Page) -> None:
    """Stop the clock of what this page will load: only `clock.run_for` and `clock.fast_forward` move it."""
    now = datetime.now(UTC)
    page.clock.install(time=now)
    page.clock.pause_at(now + timedelta(seconds=1))
