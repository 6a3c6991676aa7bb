"""The message list in a real browser: filters, sending again, and its refresh while the queue drains."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.pages import a_page
from tests.support.site import eventually

PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def troubled(site, cast, speaker) -> tuple[int, list[int]]:
    """A webinar that is over, with a message sent and two that Telegram refused; the chats of those two."""
    webinar = cast.webinar(title="С непослушными сообщениями")
    chats = []
    for refused in (False, True, True):
        cast.candidate(webinar=webinar)
        if refused:
            chats.append(5000 + cast.number)
            cast.fake_bot_api.respond_with(method="sendMessage", chat_id=chats[-1], official="cannot_parse")
    for action in ("start", "stop"):
        assert speaker.post(f"/admin_webinar/{webinar}/{action}").status_code == 200
    eventually(lambda: followups(site, webinar) == ["failed", "failed", "sent"])
    return webinar, chats


def followups(site, webinar: int) -> list[str]:
    """The states of the webinar's messages to candidates."""
    states = site.outbox(webinar)
    return sorted(state for (kind, _), state in states.items() if kind == "candidate_followup")


@pytest.mark.smoke
def test_filtering_sending_again_and_watching(chromium, site, cast, troubled):
    webinar, chats = troubled
    page = a_page(chromium, site, "admin")
    page.set_viewport_size(PHONE)
    page.goto(f"/admin_webinar/{webinar}/")
    board = page.locator("#messages")
    board.get_by_role("link", name="не доставлено 2").click()
    expect(board.locator("tbody tr")).to_have_count(2)
    expect(board.get_by_text("can't parse entities").first).to_be_visible()

    _one_goes(page, board)
    eventually(lambda: followups(site, webinar) == ["failed", "sent", "sent"])
    expect(page.get_by_text("Сообщение снова в очереди.")).to_be_in_viewport()
    assert "state=failed" in page.url

    # Telegram asks for a while of silence: the page sees the queue standing, and then draining.
    cast.fake_bot_api.respond_with(
        method="sendMessage", chat_id=chats[0], status=429, parameters={"retry_after": 7}
    )
    cast.fake_bot_api.respond_with(
        method="sendMessage", chat_id=chats[1], status=429, parameters={"retry_after": 7}
    )
    board.get_by_role("button", name="Отправить все недоставленные ещё раз").click()
    expect(page.get_by_role("dialog")).to_contain_text("Отправить ещё раз 1 недоставленное сообщение?")
    page.get_by_role("dialog").get_by_role("button", name="Отправить").click()
    expect(page.get_by_text("Снова в очереди: 1 сообщение.")).to_be_in_viewport()
    page.evaluate("window.notReloaded = true")
    sent = _number(page.locator("#messages-progress progress"))
    expect(page.locator("#messages-progress")).to_have_attribute("data-busy", "")
    expect(page.locator("#messages-progress progress")).to_have_attribute(
        "value", str(sent + 1), timeout=30_000
    )
    expect(page.locator("#messages-progress")).not_to_have_attribute("data-busy", "")
    expect(board.get_by_role("link", name="не доставлено 0")).to_be_visible()
    assert page.evaluate("window.notReloaded")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.complaints == []
    cast.fake_bot_api.clear_responses()


def _one_goes(page, board) -> None:
    board.locator("tbody tr").first.get_by_role("button", name="Отправить ещё раз").click()
    page.wait_for_url("**/*state=failed*")


def _number(progress) -> int:
    return int(progress.get_attribute("value"))


def test_an_unknown_outcome_is_resolved_by_hand(chromium, site, troubled):
    webinar, _ = troubled
    with site.database() as connection:
        connection.execute(
            "UPDATE telegram_outboxmessage SET state = 'uncertain', attempts = 2, uncertain_count = 2 "
            f"WHERE webinar_id = {webinar} AND kind = 'candidate_followup'"
        )
        connection.commit()
    page = a_page(chromium, site, "admin")
    page.goto(f"/admin_webinar/{webinar}/?state=uncertain")
    board = page.locator("#messages")
    expect(board.locator("tbody tr")).to_have_count(3)
    board.locator("tbody tr").first.get_by_role("button", name="Дошло").click()
    expect(page.get_by_text("Записано: сообщение дошло.")).to_be_visible()
    expect(board.locator("tbody tr")).to_have_count(2)
    assert page.complaints == []


def test_speaker_sees_the_message_list_without_buttons(chromium, site, troubled):
    page = a_page(chromium, site, "speaker")
    page.goto(f"/admin_webinar/{troubled[0]}/")
    expect(page.locator("#messages tbody tr").first).to_be_visible()
    expect(page.locator("#messages button")).to_have_count(0)


def test_the_qr_page_on_a_phone(chromium, site, cast):
    site.add("with-a-phone@example.org")
    page = a_page(chromium, site, "with-a-phone@example.org")
    page.set_viewport_size(PHONE)
    page.get_by_role("button", name="Показать QR-код").click()
    code = page.locator("svg.qr")
    expect(code).to_be_visible()
    box = code.bounding_box()
    assert box["width"] == pytest.approx(box["height"], abs=1)
    assert box["width"] >= 250
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    url = page.get_by_label("Одноразовая ссылка").input_value()
    assert url.startswith("https://t.me/efir_demo_bot?start=")
    assert page.complaints == []
    cast.number += 1
    chat_id = 5000 + cast.number
    cast.fake_bot_api.people.add(chat_id, "Кто-то", chat=False)
    cast.fake_bot_api.people.start(chat_id, url.partition("start=")[2])
    eventually(lambda: cast.received(chat_id))
    page.get_by_role("link", name="Готово, вернуться в аккаунт").click()
    expect(page.locator("#telegram .badge")).to_have_text("Привязан")
