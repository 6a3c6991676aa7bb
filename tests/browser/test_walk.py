"""The walkthrough of docs/walks/first-webinar.md: from an empty installation to a recording, counting every click."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, expect

from efir.fake_botapi import FakeBotApi, running
from tests.browser.test_broadcast import NO_JITTER, PLAYS, SMALL
from tests.support.site import PASSWORD, TOKEN, Site, eventually
from tests.support.walk import Walker

WITHIN_MS = 120_000
LOGO = Path(__file__).parents[2] / "docs/walks/logo.png"
TITLE = "Как начать своё дело"
# What the walk promises to a newcomer.
MAX_CLICKS, MAX_SECONDS = 25, 600
MAX_SEAT_CLICKS, MAX_SEAT_SECONDS = 5, 60
CHAT = 7001
LINK_JS = """async () => {
  const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
  const headers = {"X-CSRFToken": token, Accept: "application/json"};
  return (await (await fetch("/account/telegram/link", {method: "POST", headers})).json()).url;
}"""


@pytest.fixture
def telegram() -> Iterator[tuple[FakeBotApi, str]]:
    """Run a bot of its own: another installation would ask for the same updates."""
    fake_bot_api = FakeBotApi(tokens={TOKEN})
    with running(fake_bot_api) as address:
        yield fake_bot_api, address


@pytest.fixture
def site(tmp_path, telegram) -> Iterator[Site]:
    """An empty installation with one admin, as README makes it."""
    site = Site(tmp_path, empty=True, EFIR_TELEGRAM_API=telegram[1], EFIR_TELEGRAM_TOKEN=TOKEN)
    try:
        site.start()
        site.add("admin", "admin")
        yield site
    finally:
        site.stop()


def newcomer(browser: Browser, site: Site, width: int, height: int) -> Page:
    context = browser.new_context(
        base_url=site.url, locale="ru-RU", viewport={"width": width, "height": height}
    )
    page = context.new_page()
    page.set_default_timeout(WITHIN_MS)
    page.add_init_script(SMALL + NO_JITTER)
    return page


def test_first_webinar_of_a_new_installation(with_camera, site, telegram):
    hosts, guest = Walker("hosts"), Walker("candidate")
    link = admin_sets_up(hosts, newcomer(with_camera, site, 1280, 800), site)
    speaker = newcomer(with_camera, site, 1280, 800)
    # What the browser asks is an answer to give, too.
    speaker.on("dialog", lambda dialog: (hosts.count(dialog.type), dialog.accept()))
    page_of_webinar = speaker_publishes(hosts, speaker, link)

    phone = newcomer(with_camera, site, 390, 800)
    candidate_books(guest, phone)
    assert guest.clicks < MAX_SEAT_CLICKS, guest
    assert guest.seconds < MAX_SEAT_SECONDS, guest
    candidate_asks_for_reminders(guest, phone)
    assert guest.seconds < MAX_SEAT_SECONDS, guest
    written = link_telegram(guest, phone, telegram[0])

    speaker_goes_on_air(hosts, speaker)
    eventually(lambda: any(TITLE in text for text in written()[1:]))  # the first one confirms the link
    candidate_watches(guest, phone)
    speaker_publishes_the_recording(hosts, speaker, page_of_webinar)
    phone.goto("/account/webinars/")
    expect(phone.get_by_role("link", name="Смотреть запись")).to_be_visible()
    guest.picture(phone, "recording")
    print(f"\n{hosts}\n{guest}")
    assert hosts.clicks < MAX_CLICKS, hosts
    assert hosts.seconds < MAX_SECONDS, hosts


def admin_sets_up(walker: Walker, page: Page, site: Site) -> str:
    """Log in, say whose site it is, add the speaker; return the link that the speaker gets."""
    page.goto("/login/")
    walker.type(page, "username", "admin")
    walker.type(page, "password", PASSWORD)
    walker.click(page.locator("main").get_by_role("button", name="Войти"))
    walker.click(page.get_by_role("button", name="Даю согласие"))
    expect(page.get_by_role("heading", name="Чей это сайт")).to_be_visible()
    walker.type(page, "name", "Рассвет")
    page.set_input_files("[name=logo]", LOGO)
    walker.count("Логотип: выбрать файл")
    walker.type(page, "organisation", "ИП Ветрова А. Н.")
    walker.type(page, "data_contact", "data@example.org")
    walker.type(page, "contact_name", "Анна Ветрова")
    walker.type(page, "telegram_name", "anna_rassvet")
    walker.picture(page, "1-site")
    walker.click(page.get_by_role("button", name="Сохранить"))
    expect(page.get_by_role("banner").locator("img")).to_be_visible()
    walker.click(page.get_by_role("banner").get_by_role("link", name="Люди"))
    walker.click(page.get_by_text("Добавить человека"))
    walker.type(page, "name", "Вера Спикер")
    walker.type(page, "login", "vera@example.org")
    walker.choose(page, "role", "спикер")
    walker.click(page.get_by_role("button", name="Добавить", exact=True))
    link = page.locator("#one-time-link").input_value()
    walker.click(page.get_by_role("button", name="Скопировать"))
    page.context.close()
    return link.removeprefix(site.url)


def speaker_publishes(walker: Walker, page: Page, link: str) -> str:
    """Open the link, set a password, make a webinar; return the path of its page."""
    page.goto(link)
    for field in page.locator("input[type=password]").all():
        walker.type(page, field.get_attribute("name") or "", "vecherniy-efir")
    walker.click(page.get_by_role("button", name="Сохранить пароль"))
    log_in = page.locator("main").get_by_role("button", name="Войти")
    consent = page.get_by_role("button", name="Даю согласие")
    expect(log_in.or_(consent)).to_be_visible()
    if log_in.is_visible():
        walker.type(page, "username", "vera@example.org")
        walker.type(page, "password", "vecherniy-efir")
        walker.click(log_in)
    walker.click(consent)
    walker.click(page.get_by_role("link", name="Новый вебинар"))
    walker.type(page, "title", TITLE)
    expect(page.locator("[name=speaker_name]")).to_have_value("Вера Спикер")
    soon = datetime.now(ZoneInfo("Europe/Moscow")) + timedelta(minutes=10)
    walker.type(page, "starts_at", soon.strftime("%Y-%m-%dT%H:%M"))
    walker.picture(page, "2-form")
    walker.click(page.get_by_role("button", name="Создать черновик"))
    walker.click(page.get_by_role("button", name="Опубликовать"))
    expect(page.get_by_role("link", name="Открыть студию")).to_be_visible()
    return page.url


def candidate_books(walker: Walker, page: Page) -> None:
    """Find the webinar on the schedule, sign up, have a seat."""
    page.goto("/webinars/")
    walker.picture(page, "1-schedule")
    walker.click(page.get_by_role("link", name="Забронировать место на вебинар").first)
    walker.type(page, "name", "Марина")
    walker.type(page, "username", "marina@example.org")
    walker.type(page, "password", "vecherniy-efir")
    page.locator("[name=consent]").check()
    walker.count("Согласие")
    walker.click(page.get_by_role("button", name="Забронировать место"))
    expect(page.get_by_text("Место забронировано:")).to_be_visible()


def candidate_asks_for_reminders(walker: Walker, page: Page) -> None:
    """Go on to the seat and switch the reminders on."""
    walker.click(page.get_by_role("link", name="Моё место"))
    walker.click(page.get_by_role("button", name="Напомнить в Telegram"))
    expect(page.get_by_role("button", name="Не напоминать")).to_be_visible()
    walker.picture(page, "2-seat")


def link_telegram(walker: Walker, page: Page, bot):
    """Link Telegram from the account; return a function that reads what the bot wrote."""
    walker.click(page.get_by_role("link", name="в аккаунте"))
    expect(page.get_by_role("button", name="Привязать Telegram")).to_be_visible()
    walker.count("Привязать Telegram")
    walker.count("Старт (в Telegram)")
    bot.people.add(CHAT, "Марина", chat=False)
    bot.people.start(CHAT, page.evaluate(LINK_JS).partition("start=")[2])

    def written() -> list[str]:
        return [sent.message["text"] for sent in list(bot.sent) if sent.message["chat"]["id"] == CHAT]

    eventually(written)
    return written


def speaker_goes_on_air(walker: Walker, page: Page) -> None:
    """Open the studio, turn the camera on, begin."""
    walker.click(page.get_by_role("link", name="Открыть студию"))
    walker.click(page.locator("#begin-button"))
    walker.count("Разрешить камеру и микрофон (браузер)")
    expect(page.locator("#signal")).to_have_attribute("data-state", "on", timeout=WITHIN_MS)
    walker.click(page.locator("#panel").get_by_role("button", name="Начать эфир"))
    expect(page.locator("#panel.live")).to_be_visible(timeout=WITHIN_MS)


def candidate_watches(walker: Walker, page: Page) -> None:
    """Enter the room, open the broadcast, see it move."""
    page.goto("/account/webinar_room/")  # the reminder's button
    walker.count("Войти в эфир (в Telegram)")
    walker.click(page.get_by_role("button", name="Войти в эфир"))
    page.wait_for_function(PLAYS, timeout=WITHIN_MS)
    walker.picture(page, "3-room")


def speaker_publishes_the_recording(walker: Walker, page: Page, page_of_webinar: str) -> None:
    """End the broadcast, go back to the webinar's page, publish its recording."""
    walker.picture(page, "3-studio")
    walker.click(page.locator("#panel").get_by_role("button", name="Завершить эфир"))
    walker.click(page.get_by_role("dialog").get_by_role("button", name="Завершить"))
    walker.click(page.locator("#panel").get_by_role("link", name="К странице вебинара"))
    page.wait_for_url(page_of_webinar)
    recording = page.locator("#own-recording")
    expect(recording).to_contain_text("Запись эфира готова", timeout=WITHIN_MS)
    walker.click(recording.get_by_role("button", name="Опубликовать запись"))
    walker.click(page.get_by_role("dialog").get_by_role("button", name="Опубликовать"))
    expect(recording).to_contain_text("Запись эфира опубликована", timeout=WITHIN_MS)
    walker.picture(page, "4-recording")
