"""Without a network the page says so, and recovers by itself."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.pages import a_page

READY = "navigator.serviceWorker.ready.then((registration) => registration.active.state)"
KEPT = """async () => (await Promise.all((await caches.keys()).map(async (name) =>
  (await (await caches.open(name)).keys()).map(({ url }) => new URL(url).pathname)))).flat()"""


@pytest.mark.smoke
def test_it_says_so_and_comes_back(chromium, site):
    page = a_page(chromium, site, service_workers="allow")
    page.goto("/webinars/")
    page.evaluate(READY)
    page.goto("/signup/")
    assert page.complaints == []

    page.context.set_offline(True)
    page.goto("/login/")
    expect(page.get_by_role("heading", name="Нет связи с сайтом")).to_be_visible()
    expect(page.get_by_text("Пробуем подключиться…")).to_be_visible()
    assert page.url.endswith("/login/")
    assert page.evaluate("getComputedStyle(document.querySelector('.button')).minHeight") == "44px"
    assert page.evaluate("document.querySelector('.sign img').naturalWidth") > 0

    page.context.set_offline(False)
    expect(page.get_by_role("heading", name="Вход")).to_be_visible(timeout=20_000)
    assert [path for path in page.evaluate(KEPT) if not path.startswith("/static/")] == ["/offline/"]
    page.context.close()
