"""Pages as they are printed."""

from __future__ import annotations

import pytest

from tests.browser.pages import a_page

INK = "getComputedStyle(document.body).color"


@pytest.mark.parametrize("path", ["/account/", "/webinars/"])
def test_dark_page_is_printed_in_the_light_colours(chromium, site, speaker, path):
    page = a_page(chromium, site, "speaker")
    printed = []
    for scheme in ("light", "dark"):
        page.emulate_media(media="print", color_scheme=scheme)
        page.goto(path)
        printed.append(page.evaluate(INK))
    assert printed[0] == printed[1]
