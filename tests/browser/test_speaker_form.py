"""The speaker's form in a real browser: the poster before it is sent, and pasted code that becomes an address."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.pages import a_page


def test_the_file_button_is_the_pages_own_and_works_by_keyboard(chromium, site, cast):
    del cast
    page = a_page(chromium, site, "speaker")
    # From the start: the browser might open a chooser before it knows that the test waits for it.
    page.on("filechooser", lambda _: None)
    page.goto("/admin_webinar/new/")
    button = page.get_by_text("Выбрать файл")
    page.locator("[name=talk_words]").focus()
    page.keyboard.press("Tab")
    expect(page.locator("[name=poster]")).to_be_focused()
    assert button.evaluate("label => getComputedStyle(label).outlineStyle") == "solid"
    with page.expect_file_chooser():
        page.keyboard.press("Enter")
    with page.expect_file_chooser() as chooser:
        button.click()
    chooser.value.set_files({"name": "осень.txt", "mimeType": "image/png", "buffer": b"nothing"})
    expect(page.locator("[data-chosen]")).to_have_text("осень.txt")
    assert page.complaints == []


@pytest.mark.smoke
def test_poster_preview_and_pasted_iframe_code(chromium, site, cast):
    del cast
    page = a_page(chromium, site, "speaker")
    page.goto("/admin_webinar/new/")
    page.fill("[name=title]", "С постером")
    page.select_option("[name=video]", "embed")
    page.select_option("[name=talk]", "embed")
    file = io.BytesIO()
    Image.new("RGB", (1280, 720), "orange").save(file, "PNG")

    page.set_input_files("[name=poster]", {"name": "x.txt", "mimeType": "image/png", "buffer": b"nothing"})
    expect(page.get_by_text("Этот файл не похож на картинку")).to_be_visible()
    page.set_input_files(
        "[name=poster]", {"name": "poster.png", "mimeType": "image/png", "buffer": file.getvalue()}
    )
    expect(page.locator(".poster-preview canvas")).to_be_visible()
    expect(page.get_by_text("Так постер будет выглядеть.")).to_be_visible()

    page.fill("[name=player_url]", '<iframe width="5" src="//example.org/e/?a=1&amp;b=2" allow="x"></iframe>')
    expect(page.locator("[name=player_url]")).to_have_value("https://example.org/e/?a=1&b=2")
    expect(page.get_by_text("Из кода взят только адрес.")).to_be_visible()

    page.fill("[name=chat_url]", "<iframe src=https://example.org/c/?a=1&amp;b=2 width=5></iframe>")
    expect(page.locator("[name=chat_url]")).to_have_value("https://example.org/c/?a=1&b=2")
    page.fill("[name=chat_url]", "")
    page.select_option("[name=talk]", "chat")

    page.get_by_role("button", name="Создать черновик").click()
    expect(page.locator("#errors")).to_be_focused()
    expect(page.locator("#errors")).to_contain_text("Разрешены:")
    expect(page.locator(".poster-preview img")).to_be_visible()
    expect(page.locator("[name=title]")).to_have_value("С постером")

    page.fill("[name=player_url]", '<iframe src="https://rutube.ru/play/embed/abc"></iframe>')
    page.get_by_role("button", name="Создать черновик").click()
    expect(page.get_by_text("Черновик создан.")).to_be_visible()
    poster = page.locator(".poster-preview img")
    expect(poster).to_be_visible()
    assert poster.evaluate("image => image.decode().then(() => image.naturalWidth)") == 960

    page.get_by_role("button", name="Создать копию").click()
    expect(page.get_by_text("Черновик создан по образцу.")).to_be_visible()
    expect(page.locator(".poster-preview img")).to_be_visible()
    # The refused form came as a 400, which Chromium notes by itself.
    assert [said for said in page.complaints if "400" not in said] == []


def test_player_can_be_tried_before_saving(chromium, site, cast):
    del cast
    page = a_page(chromium, site, "speaker")
    page.goto("/admin_webinar/new/")
    page.select_option("[name=video]", "embed")
    page.fill("[name=player_url]", "https://youtu.be/abc")
    with page.expect_popup() as trial:
        page.get_by_role("button", name="Как увидят зрители").click()
    expect(trial.value.locator("iframe")).to_have_attribute("src", "https://www.youtube.com/embed/abc")
    expect(page.locator("[name=player_url]")).to_have_value("https://youtu.be/abc")
    page.fill("[name=title]", "По клавише")
    page.fill("[name=time_zone]", "омск")
    page.locator("[name=title]").press("Enter")
    expect(page.get_by_text("Черновик создан.")).to_be_visible()
    expect(page.locator("[name=time_zone]")).to_have_value("Asia/Omsk")
    assert page.complaints == []
