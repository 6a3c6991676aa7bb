"""A webinar without a mouse: Tab, Enter and the space bar are enough, and the focus is always visible."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.pages import a_page

MAX_STEPS = 80
# Where the focus is, and whether it shows: an outline or a ring of its own that the element has not without it.
FOCUS_SHOWS = """() => {
  const each = document.activeElement;
  const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(each);
  const { width, height } = each.getBoundingClientRect();
  return (outlineStyle !== "none" && parseFloat(outlineWidth) >= 2 || boxShadow !== "none") && width > 0 && height > 0;
}"""


def go_to(page: Page, wanted: Locator) -> None:
    """Press Tab until the focus is there; check that it is visible at each step."""
    expect(wanted).to_be_visible()
    for _ in range(MAX_STEPS):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            continue  # round the end of the page
        assert page.evaluate(FOCUS_SHOWS), page.evaluate("document.activeElement.outerHTML")
        if wanted.evaluate("each => each === document.activeElement"):
            return
    raise AssertionError(f"{wanted} is not reached with Tab")


def press(page: Page, name: str, key: str = "Enter", role: str = "button", within: str = "body") -> None:
    """Go to the button of this name and press it."""
    go_to(page, page.locator(within).get_by_role(role, name=name).first)
    page.keyboard.press(key)


def fill(page: Page, name: str, text: str) -> None:
    go_to(page, page.locator(f"[name={name}]").first)
    page.keyboard.type(text)


def signs_up(page: Page, login: str) -> None:
    page.goto("/webinars/")
    press(page, "Регистрация", role="link")
    page.wait_for_url("**/signup/**")
    fill(page, "name", "Катя Клавишина")
    fill(page, "username", login)
    fill(page, "password", "vecherniy-efir")
    go_to(page, page.locator("[name=consent]"))
    page.keyboard.press("Space")
    press(page, "Зарегистрироваться", within="main")
    page.wait_for_url("**/account/**")


@pytest.mark.smoke
def test_an_evening_without_a_mouse(chromium, site, cast):
    webinar = cast.webinar(title="Эфир с клавиатуры")
    candidate, speaker = a_page(chromium, site), a_page(chromium, site, "speaker")

    signs_up(candidate, f"keys{webinar}@example.org")
    candidate.goto("/webinars/")
    seat = candidate.locator(f"form[action='/webinars/{webinar}/seat'] button")
    go_to(candidate, seat)
    candidate.keyboard.press("Enter")
    expect(seat).to_have_count(0)

    candidate.goto(f"/account/webinar_room/{webinar}/")
    speaker.goto(f"/admin_webinar/{webinar}/")
    press(speaker, "Начать эфир", "Space")
    press(candidate, "Войти в эфир")
    expect(candidate.locator("#player iframe")).to_be_visible()

    press(speaker, "Завершить эфир")
    dialog = speaker.get_by_role("dialog")
    expect(dialog).to_be_visible()
    assert dialog.evaluate("each => each.contains(document.activeElement)")
    speaker.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    press(speaker, "Завершить эфир")
    press(speaker, "Завершить", within="dialog")
    thanks = candidate.locator("#thanks")
    expect(thanks).to_be_visible()
    expect(thanks).to_be_focused()
    for page in (candidate, speaker):
        assert page.complaints == []
        page.context.close()
