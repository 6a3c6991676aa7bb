"""A page that stays open for a day: relative times stay correct."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import a_page
from tests.support.site import Visitor, eventually

VIEWER = "stays@example.org"
DAY, SOON = "24:00:00", "07:00"  # SOON: longer than the page waits before it fetches itself again

SERVERS_WORD = ("**/webinars/", "**/stream")


@pytest.fixture(scope="module")
def viewer(site) -> str:
    site.add(VIEWER)
    return VIEWER


@pytest.fixture
def page(chromium, site, viewer) -> Iterator[Page]:
    page = a_page(chromium, site, viewer)
    page.clock.install()
    yield page
    page.context.close()
    assert page.complaints == []


def control(speaker: Visitor, webinar: int, action: str) -> None:
    assert speaker.post(f"/admin_webinar/{webinar}/{action}").status_code == 200


def tomorrow() -> str:
    return f"{datetime.now(ZoneInfo('Europe/Moscow')) + timedelta(days=1):%Y-%m-%d}T12:00"


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("language", "words"),
    [("ru", ("завтра в 12:00", "сегодня в 12:00")), ("en", ("tomorrow at 12:00", "today at 12:00"))],
)
def test_tomorrow_becomes_today_and_then_a_date(page, cast, language, words):
    webinar = cast.webinar(starts_at=tomorrow())
    page.context.add_cookies([{"name": "django_language", "value": language, "url": cast.site.url}])
    for path, shown in (
        ("/webinars/", f"#webinar-{webinar} .time"),
        (f"/account/webinar_room/{webinar}/", "#when"),
    ):
        page.goto(path)
        time = page.locator(shown)
        expect(time).to_contain_text(words[0])
        date = page.evaluate(
            "iso => new Date(iso).toLocaleDateString({ ru: 'ru', en: 'en-GB' }[document.documentElement.lang], "
            "{ day: 'numeric', month: 'long', timeZone: 'Europe/Moscow' })",
            time.locator("time").get_attribute("datetime"),
        )
        # What the server, for which no time has passed, would say again.
        for address in SERVERS_WORD:
            page.route(address, lambda route: route.abort())
        page.clock.fast_forward(DAY)
        expect(time).to_contain_text(words[1])
        page.clock.fast_forward(DAY)
        expect(time).to_contain_text(date)
        for address in SERVERS_WORD:
            page.unroute(address)
        page.clock.set_system_time(datetime.now(UTC))
    page.complaints.clear()  # of what was aborted


def test_viewer_whose_clock_is_wrong_reads_what_the_server_says(page, cast):
    webinar = cast.webinar(starts_at=tomorrow())
    page.goto("/account/")
    page.clock.set_system_time(datetime.now(UTC) + timedelta(days=3))
    page.goto("/webinars/")
    expect(page.locator(f"#webinar-{webinar} .time")).to_contain_text("завтра в 12:00")


def test_schedule_follows_what_begins_and_ends(page, cast, speaker):
    webinar = cast.webinar(title="Идёт и кончится")
    page.goto("/webinars/")
    card = page.locator(f"#webinar-{webinar}")
    expect(card).to_be_visible()
    control(speaker, webinar, "start")
    page.clock.fast_forward(SOON)
    expect(card.get_by_text("идёт прямо сейчас")).to_be_visible()
    control(speaker, webinar, "stop")
    page.evaluate("document.querySelector('#main a').focus()")
    with page.expect_response("**/webinars/"):
        page.clock.fast_forward(SOON)
    expect(card).to_be_visible()
    page.evaluate("document.activeElement.blur()")
    page.clock.fast_forward(SOON)
    expect(card).to_have_count(0)


def test_finished_room_follows_what_is_next(page, cast, speaker):
    over, following = cast.webinar(), cast.webinar(title="Сейчас идёт другой")
    for action in ("start", "stop"):
        control(speaker, over, action)
    control(speaker, following, "start")
    page.goto(f"/account/webinar_room/{over}/")
    onward = page.locator(".onward")
    expect(onward.get_by_text("Сейчас идёт другой")).to_be_visible()
    control(speaker, following, "stop")
    # The page is cached for a second.
    eventually(lambda: page.clock.fast_forward(SOON) or not onward.get_by_text("Сейчас идёт другой").count())


def test_finished_room_shows_the_recording_once_it_is_published(page, cast, viewer, speaker):
    webinar = cast.webinar()
    assert Visitor(cast.site, viewer).post(f"/webinars/{webinar}/seat").status_code in (200, 302)
    page.goto(f"/account/webinar_room/{webinar}/")
    for action in ("start", "stop"):
        control(speaker, webinar, action)
    expect(page.locator("#thanks")).to_be_visible()
    recording = page.locator(f"a[href='/account/recordings/{webinar}/']")
    expect(recording).to_have_count(0)
    answer = speaker.post(f"/admin_webinar/{webinar}/recording", url="https://rutube.ru/video/1/")
    assert answer.status_code == 200
    eventually(lambda: page.clock.fast_forward(SOON) or recording.is_visible())
