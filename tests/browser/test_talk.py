"""The room's talk in real browsers, side by side: what one writes, hides or misses, as the other sees it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import a_page
from tests.support.site import eventually

PASSWORD = "vecherniy-efir"


@pytest.fixture
def open_room(chromium, site, cast, speaker):
    """Return a function that puts a webinar on air, two candidates and the speaker in its room."""

    def open_room(**fields):
        return _open_room(chromium, site, cast, speaker, **fields)

    return open_room


@pytest.fixture
def room(open_room):
    return open_room()


def _open_room(chromium, site, cast, speaker, **fields):
    webinar = cast.webinar(title="Разговор", **fields)
    assert speaker.post(f"/admin_webinar/{webinar}/start").status_code in (200, 302)
    pages = []
    for login in (cast.candidate(linked=False)[0], cast.candidate(linked=False)[0]):
        pages.append(a_page(chromium, site, login, PASSWORD))
    pages.append(a_page(chromium, site, "speaker"))
    for page in pages:
        page.goto(f"/account/webinar_room/{webinar}/")
        expect(page.locator("#viewers")).not_to_have_text("0")
    return webinar, *pages


def write(page: Page, text: str, button: str = "Отправить") -> None:
    page.locator("#talk-text").fill(text)
    page.locator("#talk-form").get_by_role("button", name=button, exact=True).click()


def write_in_vain(page: Page, text: str) -> None:
    """Write what does not reach the server.

    A request that Playwright is to abort may still go out if the page is left meanwhile.
    """
    page.evaluate("() => { window.fetch = () => Promise.reject(new TypeError()); }")
    write(page, text)
    expect(page.locator("#talk-list .pending")).to_have_count(1)


def said(page: Page):
    return page.locator("#talk-list .talk-said")


def test_message_travels_and_is_hidden_again(room):
    _webinar, one, other, speaker = room
    one.evaluate("window.notReloaded = true")
    write(one, "<b>Привет</b> https://example.org")  # a link is not for everybody
    expect(one.locator("#talk-says")).not_to_be_empty()
    expect(one.locator("#talk-text")).to_have_value("<b>Привет</b> https://example.org")
    write(one, "<b>Привет</b> всем")
    for page in (one, other, speaker):
        expect(said(page)).to_have_text(["<b>Привет</b> всем"])
    expect(one.locator("#talk-list .own bdi")).to_have_text("Вы")

    write(other, "Сколько это стоит?", "Спросить")
    expect(one.locator("#talk-list .question .talk-said")).to_have_text("Сколько это стоит?")
    question = speaker.locator("#talk-list .question")
    question.locator("summary").click()
    question.get_by_role("button", name="Отвечено").click()
    expect(other.locator("#talk-list .question .talk-marks")).to_contain_text("ответили на минуте 0")

    speaker.locator("#talk-list .message summary").click()
    speaker.locator("#talk-list .message").get_by_role("button", name="Скрыть", exact=True).click()
    expect(said(other)).to_have_text(["Сколько это стоит?"], timeout=10_000)
    expect(said(one)).to_have_text(["Сколько это стоит?"])
    expect(speaker.locator("#talk-list .hidden .talk-said")).to_have_text("<b>Привет</b> всем")

    write(speaker, "Материалы: https://example.org/a.")
    link = other.locator("#talk-list .speaker a")
    expect(link).to_have_attribute("rel", "nofollow noopener ugc")
    expect(link).to_have_attribute("href", "https://example.org/a")
    assert one.evaluate("window.notReloaded")
    for page in (one, other, speaker):
        assert [each for each in page.complaints if "403" not in each] == []


def test_message_written_offline_is_sent_once(room):
    _webinar, one, other, _speaker = room
    one.context.set_offline(True)
    write(one, "Слышно?")
    expect(one.locator("#talk-list .pending .talk-marks")).to_have_text("нет связи, отправим, когда появится")
    write(other, "Пока кого-то нет")
    one.context.set_offline(False)
    expect(one.locator("#talk-list .pending")).to_have_count(0, timeout=60_000)
    for page in (one, other):
        expect(said(page)).to_have_count(2, timeout=60_000)
        assert sorted(said(page).all_text_contents()) == ["Пока кого-то нет", "Слышно?"]


def test_reader_above_is_not_pulled_away_and_can_pause(room):
    _webinar, one, other, speaker = room
    for number in range(3):
        write(speaker, f"Строка {number}\n" * 15)
        expect(said(one)).to_have_count(number + 1)
    log = one.locator("#talk-log")
    log.evaluate("(box) => { box.scrollTop = 0; }")
    write(other, "Новое")
    expect(one.locator("#talk-newer")).to_have_text("Новых: 1 ↓")
    assert log.evaluate("(box) => box.scrollTop") < 5
    one.locator("#talk-newer").click()
    expect(one.locator("#talk-newer")).to_be_hidden()
    expect(said(one).last).to_be_in_viewport()
    pause = one.locator("#talk-pause")
    pause.click()
    write(other, "Ещё")
    expect(one.locator("#talk-newer")).to_have_text("Новых: 1 ↓")
    expect(said(one)).to_have_count(4)
    assert log.get_attribute("aria-live") == "off"
    pause.click()
    expect(said(one)).to_have_count(5)


def test_field_and_player_are_in_sight_while_one_types(room):
    _webinar, one, other, _speaker = room
    write(other, "Последнее")
    one.set_viewport_size({"width": 320, "height": 330})  # with the keyboard of a phone open
    one.locator("#talk-text").focus()
    expect(said(one)).to_be_in_viewport()
    for part in ("#stage", "#talk-text", "#talk-form button[value=message]"):
        expect(one.locator(part)).to_be_in_viewport(ratio=0.95)
    assert one.evaluate("document.documentElement.scrollWidth") == 320


def test_held_message_is_seen_by_its_author_until_it_is_shown(open_room):
    _webinar, one, other, speaker = open_room(talk_hold="all")
    write(one, "Проверьте меня")
    for page in (one, speaker):
        expect(said(page)).to_have_text(["Проверьте меня"])
    expect(one.locator("#talk-list .talk-marks")).to_have_text(
        "ждёт проверки ведущего, пока видите только вы"
    )
    write(speaker, "Здравствуйте")
    expect(said(other)).to_have_text(["Здравствуйте"])
    held = speaker.locator("#talk-list .message", has_text="Проверьте меня")
    held.locator("summary").click()
    held.get_by_role("button", name="Показать", exact=True).click()
    expect(said(other)).to_have_text(["Проверьте меня", "Здравствуйте"])
    expect(one.locator("#talk-list .talk-marks")).to_have_count(0)
    write(speaker, "Начнём")
    for page in (one, other, speaker):
        expect(said(page)).to_have_text(["Проверьте меня", "Здравствуйте", "Начнём"])


def test_messages_stay_when_the_mode_is_changed_on_air(room, site, speaker):
    webinar, one, other, _speaker = room
    write(one, "Раз")
    expect(said(other)).to_have_text(["Раз"])
    change = f"/admin_webinar/{webinar}/"
    for mode, written in (("questions", 0), ("chat", 1), ("off", 0), ("chat", 1)):
        assert speaker.post(change, talk=mode).status_code == 302
        talk = other.locator("#talk")
        expect(talk).to_have_attribute("data-mode", mode)
        expect(talk).to_be_visible(visible=mode != "off")
        expect(said(other).filter(visible=True)).to_have_count(written)
    write(one, "Два")
    for page in (one, other):
        expect(said(page)).to_have_text(["Раз", "Два"])


def test_screen_reader_is_not_read_what_was_said_before(room):
    _webinar, one, other, _speaker = room
    write(one, "Раз")
    expect(said(other)).to_have_text(["Раз"])
    other.add_init_script("""
      addEventListener("DOMContentLoaded", () => {
        const log = document.getElementById("talk-log");
        window.heard = [];
        new MutationObserver((changes) => {
          const added = changes.flatMap(({ addedNodes }) => [...addedNodes]).filter(({ dataset }) => dataset?.id);
          if (log.ariaLive === "polite") window.heard.push(...added.map(({ textContent }) => textContent));
        }).observe(document.getElementById("talk-list"), { childList: true });
      });
    """)
    other.reload()
    expect(said(other)).to_have_text(["Раз"])
    expect(other.locator("#talk-log")).to_have_attribute("aria-live", "polite")
    write(one, "Два")
    expect(said(other)).to_have_text(["Раз", "Два"])
    heard = other.evaluate("window.heard")
    assert len(heard) == 1, heard
    assert "Два" in heard[0]


def test_screen_reader_reads_tabs_messages_and_field_in_this_order(room):
    _webinar, one, other, _speaker = room
    write(other, "Первое")
    write(one, "Второе?", "Спросить")
    expect(said(one)).to_have_text(["Первое", "Второе?"])
    one.locator("#talk-text").blur()  # while one types on a phone, the tabs make room
    expect(one.locator("#talk-tabs")).to_be_visible()
    read = one.locator("#talk").aria_snapshot()
    order = [
        "tablist",
        'tab "Чат"',
        'log "Сообщения"',
        "Первое",
        "Вы",
        "Второе?",
        'textbox "Сообщение"',
        "Отправить",
    ]
    places = [read.find(each) for each in order]
    assert -1 not in places, read
    assert places == sorted(places), read


def test_tabs_by_keyboard(room):
    _webinar, one, other, _speaker = room
    write(other, "Просто слова")
    expect(said(one)).to_have_count(1)
    one.locator("#talk-tab-chat").focus()
    one.keyboard.press("ArrowRight")
    expect(one.locator("#talk-tab-questions")).to_be_focused()
    expect(said(one)).to_be_hidden()
    one.keyboard.press("ArrowRight")
    expect(one.locator("#people-list li")).to_have_count(3, timeout=30_000)
    one.keyboard.press("Home")
    expect(said(one)).to_be_visible()
    one.keyboard.press("Tab")  # the log itself, which scrolls
    expect(one.locator("#talk-log")).to_be_focused()


def test_second_tab_of_a_browser_has_the_same_talk(room):
    webinar, one, other, _speaker = room
    write(one, "В первой вкладке")
    second = one.context.new_page()
    second.goto(f"/account/webinar_room/{webinar}/")
    expect(said(second)).to_have_text(["В первой вкладке"])
    write(other, "Обеим")
    for page in (one, second):
        expect(said(page)).to_have_text(["В первой вкладке", "Обеим"])


def test_speakers_queue_answers_without_leaving_the_page(room, chromium, site):
    webinar, one, _other, speaker = room
    speaker.goto(f"/admin_webinar/{webinar}/")
    speaker.evaluate("window.notReloaded = true")
    write(one, "Можно без опыта?", "Спросить")
    question = speaker.locator("#talk-queue .talk-message")
    expect(question).to_contain_text("Можно без опыта?")
    question.get_by_role("button", name="Отвечено").click()
    expect(question).to_have_count(0)
    expect(one.locator("#talk-list .question .talk-marks")).to_contain_text("ответили")
    speaker.locator("#talk-queue .choices a", has_text="отвеченные").click()
    expect(question).to_contain_text("Можно без опыта?")
    assert speaker.evaluate("window.notReloaded")
    assert speaker.complaints == []


def test_late_answer_does_not_undo_a_chosen_filter(room):
    webinar, one, _other, speaker = room
    late = []

    def hold(route):
        late.append(route)

    by_itself = re.compile(r"/talk/\?talk=&")  # what the page asks for every few seconds
    speaker.route(by_itself, hold)
    speaker.goto(f"/admin_webinar/{webinar}/")
    queue = speaker.locator("#talk-queue")
    while not late:
        speaker.wait_for_timeout(100)
    queue.locator(".choices a", has_text="все сообщения").click()
    expect(queue).to_have_attribute("data-show", "messages")
    write(one, "Есть кто?", "Спросить")
    expect(said(one)).to_have_text(["Есть кто?"])
    with speaker.expect_response(by_itself):
        late[0].continue_()
    expect(queue.locator(".talk-said")).to_have_text(["Есть кто?"])
    assert queue.get_attribute("data-show") == "messages"


def test_new_messages_do_not_move_what_the_speaker_reads(room):
    webinar, one, other, speaker = room
    for page in (one, other):
        for number in range(2):
            write(page, f"Вопрос {number}?\n" * 20, "Спросить")
    expect(said(one)).to_have_count(4)
    speaker.goto(f"/admin_webinar/{webinar}/?talk=messages")
    rows = speaker.locator("#talk-queue .talk-message")
    expect(rows).to_have_count(4)
    speaker.locator(".talk-queue-list").evaluate("(list) => { list.scrollTop = 700; }")
    speaker.locator("#talk-queue .choices").evaluate("(filters) => { filters.scrollLeft = 100; }")
    top = "(row) => row.getBoundingClientRect().top"
    before = rows.nth(2).evaluate(top)
    write(one, "Новое")
    expect(rows).to_have_count(5)
    assert rows.nth(3).evaluate(top) == pytest.approx(before, abs=1)
    assert speaker.locator("#talk-queue .choices").evaluate("(filters) => filters.scrollLeft") == 100


def test_logout_leaves_no_words_to_the_next_person(room, chromium, site, cast):
    webinar, _one, other, _speaker = room
    login, _ = cast.candidate(linked=False)
    page = a_page(chromium, site, login, PASSWORD)
    page.goto(f"/account/webinar_room/{webinar}/")
    write_in_vain(page, "Не ушло")
    page.goto("/account/")
    assert "Не ушло" in page.evaluate("JSON.stringify(sessionStorage)")
    page.get_by_role("button", name="Выйти").click()
    page.wait_for_url(lambda url: "/account/" not in url)
    assert page.evaluate("sessionStorage.length") == 0
    expect(said(other)).to_have_count(0)


def test_next_login_in_the_tab_gets_the_words_back_unsent(room, chromium, site, cast):
    """The login ends without a press on the button, and somebody else logs in: nothing goes out under their name."""
    webinar, _one, other, _speaker = room
    page = a_page(chromium, site, cast.candidate(linked=False)[0], PASSWORD)
    address = f"/account/webinar_room/{webinar}/"
    page.goto(address)
    write(page, "Моё слово")
    expect(said(other)).to_have_text(["Моё слово"])
    write_in_vain(page, "Не ушло")
    page.goto("/account/")
    page.context.clear_cookies(name="sessionid")
    page.goto(address)
    page.fill("[name=username]", cast.candidate(linked=False)[0])
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    expect(page.locator("#talk-text")).to_have_value("Не ушло")
    expect(page.locator("#talk-list .own")).to_have_count(0)
    page.locator("#talk-form").get_by_role("button", name="Отправить", exact=True).click()
    expect(said(other)).to_have_text(["Моё слово", "Не ушло"])
    expect(page.locator("#talk-list .own .talk-said")).to_have_text(["Не ушло"])


def test_without_javascript_a_form_posts_and_the_page_shows_the_last(room, chromium, site, cast):
    webinar, _one, other, _speaker = room
    login, _ = cast.candidate(linked=False)
    context = a_page(chromium, site, login, PASSWORD).context
    state = context.storage_state()
    plain = chromium.new_context(base_url=site.url, java_script_enabled=False, storage_state=state).new_page()
    write(other, "Видно всем")
    eventually(lambda: site.count(f"talk_message WHERE webinar_id = {webinar}") == 1)
    plain.goto(f"/account/webinar_room/{webinar}/?mine=1")
    expect(said(plain)).to_have_text(["Видно всем"])
    write(plain, "Без скрипта")
    plain.goto(f"/account/webinar_room/{webinar}/?mine=1")
    expect(said(plain)).to_have_text(["Видно всем", "Без скрипта"])
    expect(said(other)).to_have_text(["Видно всем", "Без скрипта"])
    write(plain, "Это как на example.org?")
    expect(plain.locator("#talk-says")).to_contain_text("Уберите ссылку")
    field = plain.locator("#talk-text")
    expect(field).to_have_value("Это как на example.org?")
    field.fill("Это как в прошлый раз?")
    plain.get_by_role("button", name="Отправить").click()
    expect(said(plain)).to_have_text(["Видно всем", "Без скрипта", "Это как в прошлый раз?"])
