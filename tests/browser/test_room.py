"""The room from waiting to the broadcast: layout shifts, page weight, texts, and reconnecting."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.pages import a_page
from tests.browser.test_tabs import WATCHED
from tests.e2e.conftest import PLAYER
from tests.support.site import Site, Visitor, eventually

# How far what was in view moved, without the viewer's doing, each time.
SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""
MAX_SHIFT = 0.05
# Without the service worker, which keeps the stylesheet and the logo once it runs.
MAX_BYTES = 65_000
PHONE, DESKTOP = {"width": 360, "height": 740}, {"width": 1440, "height": 900}
CHAT = "https://www.youtube.com/live_chat?v=abc"
ALLOWED = "autoplay; fullscreen; encrypted-media; picture-in-picture"
VIEWER = "room-viewer@example.org"
AFTER_A_FRAME = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"


@pytest.fixture(scope="module")
def viewer(site: Site) -> str:
    """Somebody who may enter: their log-in."""
    site.add(VIEWER)
    return VIEWER


@pytest.fixture(scope="module")
def logged_in(chromium: Browser, site: Site, viewer: str) -> Iterator[Page]:
    page = a_page(chromium, site, viewer)
    page.context.add_init_script(WATCHED + SHIFTS)
    yield page
    page.context.close()


@pytest.fixture
def page(logged_in) -> Iterator[Page]:
    """A tab of somebody who is logged in."""
    page = logged_in.context.new_page()
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    yield page
    page.close()
    assert page.complaints == []


def control(speaker: Visitor, webinar: int, action: str) -> None:
    assert speaker.post(f"/admin_webinar/{webinar}/{action}").status_code == 200


@pytest.mark.smoke
def test_moved_webinar_updates_every_text(page, cast, speaker):
    webinar = cast.webinar(title="Сначала так", speaker_name="Анна")
    page.goto(f"/account/webinar_room/{webinar}/")
    expect(page.get_by_text("Пока здесь только вы")).to_be_visible()
    page.evaluate("window.notReloaded = true")
    fields = {"title": "Теперь иначе", "speaker_name": "Вера", "description": "О новом.", "length_min": "60"}
    moved = {"starts_at": "2031-05-06T20:45", "time_zone": "Asia/Yekaterinburg", "player_url": PLAYER}
    assert speaker.post(f"/admin_webinar/{webinar}/", **fields, **moved).status_code == 302
    expect(page.locator("#when time")).to_have_text("6 мая 2031 в 20:45 UTC+5")
    expect(page.locator("#when .own-time")).to_have_count(1)
    expect(page.locator("#countdown")).to_contain_text("дн.")
    expect(page.get_by_role("heading", name="Теперь иначе")).to_be_visible()
    expect(page.locator(".room-title p")).to_have_text("Вера")
    expect(page.locator(".waiting").get_by_text("Вера")).to_be_visible()
    expect(page.get_by_text("О новом.")).to_be_visible()
    expect(page).to_have_title("Теперь иначе · Эфир")
    expect(page.locator("#says")).to_contain_text("Время начала изменилось: 6 мая 2031 в 20:45")
    assert page.evaluate("window.notReloaded")


def test_texts_that_failed_to_load_are_requested_again(page, cast, speaker):
    webinar = cast.webinar(title="Сначала так")
    page.goto(f"/account/webinar_room/{webinar}/")
    expect(page.get_by_text("Пока здесь только вы")).to_be_visible()
    page.route(f"**/account/webinar_room/{webinar}/", lambda route: route.fulfill(status=503), times=1)
    fields = {"length_min": "60", "time_zone": "Europe/Moscow", "player_url": PLAYER}
    fields |= {"title": "Теперь иначе", "starts_at": "2031-05-06T20:45"}
    assert speaker.post(f"/admin_webinar/{webinar}/", **fields).status_code == 302
    expect(page.get_by_role("heading", name="Теперь иначе")).to_be_visible(timeout=15_000)


AGO = "(element, seconds) => { element.dataset.countdown = new Date(Date.now() - seconds * 1000).toISOString(); }"


def test_due_webinar_is_announced_once(page, cast):
    page.goto(f"/account/webinar_room/{cast.webinar()}/")
    countdown, says = page.locator("#countdown"), page.locator("#says")
    expect(countdown).to_have_attribute("aria-hidden", "true")
    expect(page.get_by_text("Пока здесь только вы")).to_be_visible()
    countdown.evaluate(AGO, 60)
    expect(says).to_have_text("скоро начнём, ждём ведущего")
    assert countdown.get_attribute("aria-hidden") is None
    says.evaluate("(says) => { says.textContent = ''; }")
    countdown.evaluate(AGO, 1900)
    expect(countdown).to_have_text("начало задерживается, ведущий ещё не начал эфир")
    expect(says).to_be_empty()


@pytest.mark.parametrize("chat", ["", CHAT], ids=["no chat", "chat"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_nothing_jumps_at_the_start(page, cast, speaker, size, chat):
    webinar = cast.webinar(chat_url=chat, description="О чём этот вебинар.\n\n" * 5)
    page.set_viewport_size(size)
    page.goto(f"/account/webinar_room/{webinar}/")
    expect(page.get_by_text("Пока здесь только вы")).to_be_visible()
    control(speaker, webinar, "start")
    enter = page.get_by_role("button", name="Войти в эфир")
    expect(enter).to_be_in_viewport()
    page.evaluate(AFTER_A_FRAME)
    assert page.evaluate("shifted") < MAX_SHIFT
    if chat and size is PHONE:
        assert page.locator("#chat-box").bounding_box()["height"] < 100, "nothing is in it yet"
    enter.click()
    player = page.locator("#player iframe")
    expect(player).to_be_focused()
    assert player.get_attribute("allow") == ALLOWED
    features = page.evaluate("document.featurePolicy.allowedFeatures()")
    assert set(ALLOWED.split("; ")) <= set(features), "the page's own policy denies it"
    assert player.get_attribute("referrerpolicy") == "strict-origin-when-cross-origin"
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    video, beside = player.bounding_box(), page.locator("#chat-box").bounding_box()
    assert video
    assert bool(beside) == bool(chat)
    if beside:
        is_right, is_below = (
            beside["x"] >= video["x"] + video["width"],
            beside["y"] >= video["y"] + video["height"],
        )
        assert (is_right, is_below) == ((True, False) if size is DESKTOP else (False, True))
        expect(page.locator("#chat iframe")).to_have_attribute("title", "Чат")
    control(speaker, webinar, "stop")
    expect(page.locator("#thanks")).to_be_focused()
    expect(page.locator("iframe")).to_have_count(0)


def test_a_first_visit_weighs_little(chromium, site, cast, viewer):
    """By the browser's own count, headers included; the poster and the player are not of the room."""
    webinar = cast.webinar()
    page = a_page(chromium, site, viewer)
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    sizes, addresses = {}, {}
    session.on("Network.requestWillBeSent", lambda e: addresses.update({e["requestId"]: e["request"]["url"]}))
    session.on("Network.loadingFinished", lambda e: sizes.update({e["requestId"]: e["encodedDataLength"]}))
    page.goto(f"/account/webinar_room/{webinar}/")
    expect(page.get_by_text("Пока здесь только вы")).to_be_visible()
    page.context.close()
    weighed = {
        address: sizes[key] for key, address in addresses.items() if key in sizes and "/poster" not in address
    }
    assert len(weighed) > 5
    assert sum(weighed.values()) < MAX_BYTES, weighed


def test_another_tab_hears_of_the_start_by_the_title(page, cast, speaker):
    webinar = cast.webinar(title="Слышно ли")
    page.goto(f"/account/webinar_room/{webinar}/")
    expect(page).to_have_title("Слышно ли · Эфир")
    page.evaluate("hide(true)")
    control(speaker, webinar, "start")
    expect(page).to_have_title("● LIVE · Слышно ли · Эфир")
    page.evaluate("hide(false)")
    expect(page).to_have_title("Слышно ли · Эфир")


def test_the_tab_entered_last_plays(page, cast, speaker, logged_in):
    webinar = cast.webinar()
    control(speaker, webinar, "start")
    other = logged_in.context.new_page()
    for tab in (page, other):
        tab.goto(f"/account/webinar_room/{webinar}/")
        tab.get_by_role("button", name="Войти в эфир").click()
        expect(tab.locator("#player iframe")).to_have_count(1)
    expect(page.locator("#player iframe")).to_have_count(0)
    expect(page.get_by_text("Эфир открыт в другой вкладке")).to_be_visible()
    other.close()
    expect(page.locator("#enter-hint")).to_have_text("Включится видео со звуком")
    page.get_by_role("button", name="Войти в эфир").click()
    expect(page.locator("#player iframe")).to_have_count(1)


def test_sound_is_tried_before_the_start(page, cast):
    page.goto(f"/account/webinar_room/{cast.webinar()}/")
    expect(page.locator("#sound-level")).to_be_hidden()
    play = page.get_by_role("button", name="Проиграть три ноты")
    play.click()
    page.wait_for_function("() => document.getElementById('sound-level').value > 0.3")
    page.get_by_role("button", name="Нет", exact=True).click()
    expect(page.get_by_text("на телефоне — беззвучный режим")).to_be_visible()
    play.click()
    page.get_by_role("button", name="Да, слышу").click()
    expect(page.get_by_text("Отлично, звук в порядке")).to_be_visible()
    expect(page.get_by_text("на телефоне — беззвучный режим")).to_be_hidden()


def test_sound_that_the_browser_does_not_allow(page, cast):
    page.add_init_script("delete window.AudioContext;")
    page.goto(f"/account/webinar_room/{cast.webinar()}/")
    page.get_by_role("button", name="Проиграть три ноты").click()
    expect(page.get_by_text("на телефоне — беззвучный режим")).to_be_visible()


def test_lost_room_shows_no_viewer_count(page, cast):
    page.goto(f"/account/webinar_room/{cast.webinar()}/")
    expect(page.locator("#viewers")).to_have_text("1")
    page.route("**/stream", lambda route: route.abort())
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("#lost")).to_be_visible()
    expect(page.locator("#viewers")).to_have_text("—")
    expect(page.locator("#with-you")).to_be_empty()
    page.unroute("**/stream")
    expect(page.locator("#viewers")).to_have_text("1", timeout=15_000)
    expect(page.get_by_text("Пока здесь только вы")).to_be_visible()


def test_next_webinar_is_reloaded_at_the_end(page, cast, speaker):
    webinar = cast.webinar()
    control(speaker, webinar, "start")
    page.goto(f"/account/webinar_room/{webinar}/")
    expect(page.locator("#viewers")).to_have_text("1")
    control(speaker, cast.webinar(title="Начался только что"), "start")
    control(speaker, webinar, "stop")
    expect(page.locator(".onward").get_by_text("Начался только что")).to_be_visible()
    expect(page.locator("#thanks")).to_be_focused()


POCKETS = {
    "thawed": lambda page: page.evaluate("document.dispatchEvent(new Event('resume'))"),
    "long hidden": lambda page: page.evaluate(
        "hide(true); Date.now = ((now) => () => now() + 90000)(Date.now); hide(false)"
    ),
    "network back": lambda page: page.evaluate("dispatchEvent(new Event('online'))"),
}


@pytest.mark.parametrize("how", POCKETS)
def test_woken_phone_opens_a_new_stream_at_once(page, cast, speaker, how):
    """The old stream may be dead without an error. Here nothing has failed, and the page must not wait."""
    webinar = cast.webinar()
    page.goto(f"/account/webinar_room/{webinar}/")
    expect(page.get_by_text("Пока здесь только вы")).to_be_visible()
    POCKETS[how](page)
    eventually(lambda: page.evaluate("streams.map((each) => each.readyState)") == [2, 1])
    expect(page.locator("#lost")).to_be_hidden()
    control(speaker, webinar, "start")
    expect(page.get_by_role("button", name="Войти в эфир")).to_be_visible()
    eventually(lambda: speaker.get(f"/account/webinar_room/{webinar}/people").json()["total"] == 1)


def test_player_that_does_not_load_offers_help_and_is_counted(page, chromium, site, cast, speaker):
    webinar = cast.webinar()
    control(speaker, webinar, "start")
    page.route(PLAYER, lambda _route: None)  # as where the provider is throttled: no answer at all
    page.add_init_script("Math.random = () => 0;")
    page.goto(f"/account/webinar_room/{webinar}/")
    page.get_by_role("button", name="Войти в эфир").click()
    help_ = page.locator("#no-picture")
    expect(help_).to_contain_text("плеер другого сервиса не отвечает")
    expect(help_.get_by_role("link", name="Открыть в новой вкладке")).to_have_attribute("href", PLAYER)
    expect(help_.get_by_role("button", name="Только звук")).to_be_hidden()
    panel = a_page(chromium, site, "speaker")
    panel.goto(f"/admin_webinar/{webinar}/")
    expect(panel.locator("[data-without-picture]")).to_have_text("1")
    # Another try, which is answered. Whether it is the picture, only the viewer knows.
    page.unroute(PLAYER)
    help_.get_by_role("button", name="Обновить плеер").click()
    expect(help_).to_be_hidden()
    expect(page.get_by_role("button", name="Видео не идёт?")).to_be_visible()
    expect(panel.locator("[data-without-picture]")).to_be_hidden()
    panel.context.close()
