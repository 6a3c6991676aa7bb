"""One webinar in a real browser: schedule, room, start without a reload, stop, the closing screen."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.pages import a_page


@pytest.mark.smoke
def test_an_evening_in_the_browser(chromium, site, cast):
    webinar = cast.webinar(title="Эфир в браузере")
    login, visitor = cast.candidate(webinar=webinar, linked=False)
    del visitor

    guest = a_page(chromium, site)
    guest.goto("/webinars/")
    expect(guest.get_by_text("Эфир в браузере").first).to_be_visible()

    candidate = a_page(chromium, site, login, "vecherniy-efir")
    candidate.goto(f"/account/webinar_room/{webinar}/")
    expect(candidate.locator("iframe")).to_have_count(0)
    candidate.evaluate("window.notReloaded = true")

    speaker = a_page(chromium, site, "speaker")
    speaker.goto(f"/admin_webinar/{webinar}/")
    speaker.get_by_role("button", name="Начать эфир").click()

    enter = candidate.get_by_role("button", name="Войти в эфир")
    expect(enter).to_be_visible()
    enter.click()
    expect(candidate.locator("iframe")).to_have_attribute("src", "https://www.youtube.com/embed/abc")

    speaker.get_by_role("button", name="Показать кнопку зрителям").click()
    press = candidate.locator("#cta button")
    expect(press).to_be_visible()
    with candidate.expect_popup() as contacts:
        press.click()
    contacts.value.wait_for_url("**/account/contacts/")
    assert site.pressed(webinar) == 1
    expect(candidate.locator("iframe")).to_have_count(1)  # the broadcast goes on

    # Drawn again by the answer to the last press, before which another press is not taken.
    expect(speaker.get_by_role("button", name="Скрыть кнопку у зрителей")).to_be_visible()
    speaker.get_by_role("button", name="Завершить эфир").click()
    speaker.get_by_role("dialog").get_by_role("button", name="Завершить").click()
    thanks = candidate.get_by_role("heading", name="Вебинар завершён. Спасибо, что были с нами!")
    expect(thanks).to_be_visible()
    expect(candidate.locator("iframe")).to_have_count(0)
    assert candidate.evaluate("window.notReloaded")
    for page in (guest, candidate, speaker):
        assert page.complaints == []
