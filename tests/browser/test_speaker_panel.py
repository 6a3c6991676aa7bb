"""The control panel in a real browser: it is redrawn often, and no press of a button may be lost by that."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import a_page

# The page asks every five seconds.
DRAWN_WITHIN_MS = 60_000


@pytest.fixture
def panel(chromium, site, cast):
    """A webinar on air, in front of its speaker; the page and the webinar's id."""
    webinar = cast.webinar()
    cast.speaker.post(f"/admin_webinar/{webinar}/start")
    page = a_page(chromium, site, "speaker")
    page.goto(f"/admin_webinar/{webinar}/")
    yield page, webinar
    assert page.complaints == []
    page.context.close()


def ask_to_stop(page: Page) -> None:
    page.get_by_role("button", name="Завершить эфир").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def test_stop_counts_after_the_panel_was_redrawn(panel):
    page, _webinar = panel
    ask_to_stop(page)
    page.evaluate(
        "document.getElementById('panel').replaceWith(document.getElementById('panel').cloneNode(true))"
    )
    page.get_by_role("dialog").get_by_role("button", name="Завершить").click()
    expect(page.locator("#panel.finished")).to_be_visible(timeout=DRAWN_WITHIN_MS)


def test_panel_is_not_redrawn_under_an_open_question(panel, cast):
    page, webinar = panel
    ask_to_stop(page)
    page.evaluate("document.getElementById('panel').dataset.old = '1'")
    cast.speaker.post(f"/admin_webinar/{webinar}/cta", visible="true")
    for _ in range(2):  # the first of these may have been asked before the change
        page.wait_for_event("response", lambda response: response.url.endswith("/state"))
    expect(page.locator("#panel[data-old]")).to_have_count(1)
    page.get_by_role("dialog").get_by_role("button", name="Нет").click()
    expect(page.locator("#panel[data-old]")).to_have_count(0, timeout=DRAWN_WITHIN_MS)


def test_keyboard_focus_survives_a_refresh(panel, cast):
    page, webinar = panel
    page.get_by_role("button", name="Завершить эфир").focus()
    cast.speaker.post(f"/admin_webinar/{webinar}/cta", visible="true")
    expect(page.get_by_role("button", name="Скрыть кнопку у зрителей")).to_be_visible(timeout=DRAWN_WITHIN_MS)
    expect(page.get_by_role("button", name="Завершить эфир")).to_be_focused()


@pytest.mark.smoke
def test_numbers_come_by_themselves_after_the_start(chromium, site, cast):
    page = a_page(chromium, site, "speaker")
    page.goto(f"/admin_webinar/{cast.webinar()}/")
    page.get_by_role("button", name="Начать эфир").click()
    expect(page.locator("#panel.live")).to_be_visible()
    page.evaluate("window.notReloaded = true")
    expect(page.locator("#numbers .funnel")).to_be_visible(timeout=DRAWN_WITHIN_MS)
    assert page.evaluate("window.notReloaded")
    assert page.complaints == []


def test_open_details_stay_open_while_figures_update(panel):
    page, _webinar = panel
    fold = page.locator("#by-minute")
    fold.locator("summary").click(timeout=DRAWN_WITHIN_MS)
    page.evaluate("document.getElementById('numbers').dataset.old = '1'")
    expect(page.locator("#numbers[data-old]")).to_have_count(0, timeout=DRAWN_WITHIN_MS)
    expect(fold.locator("table")).to_be_visible()
    expect(fold.locator("summary")).to_be_focused()


def test_typed_text_survives_a_refresh(panel):
    page, webinar = panel
    page.locator("#numbers .funnel").wait_for(timeout=DRAWN_WITHIN_MS)
    page.evaluate(
        "document.getElementById('after').insertAdjacentHTML('beforeend', '<p><input id=\"typed\"></p>')"
    )
    page.fill("#typed", "Ка")
    page.locator("#typed").blur()
    for _ in range(2):  # the first of these may have been asked before
        page.wait_for_event(
            "response",
            lambda response: response.url.endswith(f"/admin_webinar/{webinar}/"),
            timeout=DRAWN_WITHIN_MS,
        )
    expect(page.locator("#typed")).to_have_value("Ка")


def test_lost_server_is_reported_and_disables_the_buttons(panel):
    page, _webinar = panel
    page.route("**/state", lambda route: route.abort())
    lost = page.get_by_text("Связь с сервером прервалась")
    expect(lost).to_be_visible(timeout=DRAWN_WITHIN_MS)
    page.get_by_role("button", name="Показать кнопку зрителям").click()
    expect(page.get_by_role("button", name="Показать кнопку зрителям")).to_be_visible()
    assert page.url.endswith(f"/admin_webinar/{_webinar}/")
    page.unroute("**/state")
    expect(lost).to_be_hidden(timeout=DRAWN_WITHIN_MS)
    page.get_by_role("button", name="Показать кнопку зрителям").click()
    expect(page.get_by_role("button", name="Скрыть кнопку у зрителей")).to_be_visible()
    page.complaints.clear()  # Chromium notes each request that failed
