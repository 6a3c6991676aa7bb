"""Nothing is cut on a phone, whatever people are called."""

from __future__ import annotations

import pytest

from tests.browser.pages import a_page
from tests.support.site import eventually

NARROW = {"width": 320, "height": 640}


@pytest.fixture(scope="module")
def finished(site, cast, speaker) -> int:
    """A webinar that is over and judged, with a seat holder of a long name."""
    webinar = cast.webinar(title="Ы" * 100)
    login, _ = cast.candidate(webinar=webinar, linked=False)
    site.add("a-very-long-login-" + "x" * 60 + "@example.org")
    for action in ("start", "stop"):
        assert speaker.post(f"/admin_webinar/{webinar}/{action}").status_code == 200
    eventually(
        lambda: [line["lead"] for line in site.lines("verdicts", "--webinar", str(webinar))] == [login]
    )
    return webinar


@pytest.mark.parametrize("language", [pytest.param("ru", marks=pytest.mark.smoke), "en"])
@pytest.mark.parametrize("path", ["/account/people/", "/admin_webinar/", "/admin_webinar/{}/", "/account/"])
def test_no_page_is_wider_than_the_phone(chromium, site, finished, path, language):
    page = a_page(chromium, site, "admin")
    page.context.add_cookies([{"name": "django_language", "value": language, "url": site.url}])
    page.set_viewport_size(NARROW)
    page.goto(path.format(finished))
    assert page.locator("html").get_attribute("lang") == language
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    cut = page.evaluate(
        "[...document.querySelectorAll('td, td *')]"
        ".filter((each) => each.getBoundingClientRect().right > innerWidth).length"
    )
    assert cut == 0
