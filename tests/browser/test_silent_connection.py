"""A connection that is lost silently: the page notices the missing keep-alives, says so and reconnects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import a_page, stop_clock
from tests.browser.test_tabs import WATCHED
from tests.support.relay import Relay, relaying
from tests.support.site import Visitor, eventually

LOGIN = "silent-line@example.org"
LATE = "Math.random = () => 0.9;"  # within the span in which it reconnects: after 3.2 s
# How long the page waits for an event, for the first event of a stream, and looks at neither; and until it reconnects.
SILENT_MS, UNANSWERED_MS, LOOK_MS, RETRY_MS = 40_000, 15_000, 5_000, 4_000


@pytest.fixture(scope="module")
def relay(site) -> Iterator[Relay]:
    with relaying(site.port) as relay:
        yield relay


@pytest.fixture(scope="module")
def logged_in(chromium, site, relay) -> Iterator[Page]:
    site.add(LOGIN)
    behind = copy(site)
    behind.url = f"http://127.0.0.1:{relay.port}"
    page = a_page(chromium, behind, LOGIN)
    page.context.add_init_script(WATCHED + LATE)
    yield page
    page.context.close()


@pytest.fixture
def webinar(cast) -> int:
    return cast.webinar()


@contextmanager
def in_the_room(logged_in: Page, webinar: int, *init_scripts: str) -> Iterator[Page]:
    """Open the room in a tab whose clock the test moves, and wait for the stream."""
    page = logged_in.context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    stop_clock(page)
    for script in init_scripts:
        page.add_init_script(script)
    page.goto(f"/account/webinar_room/{webinar}/")
    expect(page.get_by_text("Пока здесь только вы")).to_be_visible()
    yield page
    page.close()
    assert complaints == []


def control(speaker: Visitor, webinar: int, action: str) -> None:
    assert speaker.post(f"/admin_webinar/{webinar}/{action}").status_code == 200


def is_lost_within(page: Page, milliseconds: int) -> bool:
    """Let time pass in steps, so that the page does not take it for sleep, until the page says that it is lost."""
    for _ in range(0, milliseconds + LOOK_MS, 1000):
        page.clock.run_for(1000)
        if page.locator("#lost").is_visible():
            return True
    return False


@pytest.mark.smoke
def test_start_and_stop_arrive_after_a_silent_loss(logged_in, relay, speaker, webinar):
    with in_the_room(logged_in, webinar) as page:
        lost, enter = page.locator("#lost"), page.get_by_role("button", name="Войти в эфир")
        relay.lose_streams()
        control(speaker, webinar, "start")
        page.clock.run_for(SILENT_MS - LOOK_MS)
        expect(lost).to_be_hidden()
        assert is_lost_within(page, LOOK_MS)
        expect(page.locator("#viewers")).to_have_text("—")
        expect(enter).to_be_hidden()
        page.clock.run_for(RETRY_MS)
        expect(enter).to_be_visible()
        expect(lost).to_be_hidden()
        relay.lose_streams()
        control(speaker, webinar, "stop")
        assert is_lost_within(page, SILENT_MS)
        page.clock.run_for(RETRY_MS)
        expect(page.locator("#thanks")).to_be_visible()
        expect(lost).to_be_hidden()


def test_keep_alives_of_a_quiet_room_hold_the_stream(logged_in, webinar):
    """The server's own keep-alive arrives, and is enough."""
    with in_the_room(logged_in, webinar) as page:
        page.evaluate(
            "streams[0].addEventListener('keep-alive', ({ data }) => { window.alive = data === ''; })"
        )
        page.clock.run_for(SILENT_MS - LOOK_MS)
        page.evaluate("window.alive = false")
        eventually(lambda: page.evaluate("window.alive"))
        page.clock.run_for(SILENT_MS - LOOK_MS)
        expect(page.locator("#lost")).to_be_hidden()
        assert page.evaluate("streams.length") == 1


def test_connection_that_never_answers_is_given_up(logged_in, webinar):
    with in_the_room(logged_in, webinar) as page:
        page.route("**/stream", lambda _: None)
        page.evaluate("dispatchEvent(new Event('online'))")
        assert is_lost_within(page, UNANSWERED_MS)
        page.unroute("**/stream")
        page.clock.run_for(RETRY_MS)
        expect(page.locator("#lost")).to_be_hidden()


def test_device_that_wakes_connects_at_once(logged_in, relay, speaker, webinar):
    with in_the_room(logged_in, webinar) as page:
        relay.lose_streams()
        control(speaker, webinar, "start")
        page.clock.fast_forward("20:00")
        expect(page.get_by_role("button", name="Войти в эфир")).to_be_visible()
        expect(page.locator("#lost")).to_be_hidden()
        assert page.evaluate("streams.length") == 2


def test_device_that_wakes_without_a_network_says_so(logged_in, webinar):
    with in_the_room(logged_in, webinar) as page:
        page.route("**/stream", lambda _: None)
        page.clock.fast_forward("20:00")
        expect(page.locator("#lost")).to_be_visible()


STANDS_STILL = "(() => { const now = performance.now(); performance.now = () => now; })()"


def test_device_whose_monotonic_clock_slept_reconnects(logged_in, relay, speaker, webinar):
    with in_the_room(logged_in, webinar) as page:
        page.evaluate(STANDS_STILL)
        relay.lose_streams()
        control(speaker, webinar, "start")
        page.clock.fast_forward("20:00")
        expect(page.get_by_role("button", name="Войти в эфир")).to_be_visible()


def test_clock_that_is_set_back_hides_no_silence(logged_in, relay, webinar):
    with in_the_room(logged_in, webinar) as page:
        relay.lose_streams()
        page.evaluate("Date.now = ((now) => () => now() - 3600000)(Date.now)")
        assert is_lost_within(page, SILENT_MS)


def test_clock_that_is_set_forward_costs_one_new_stream(logged_in, webinar):
    with in_the_room(logged_in, webinar) as page:
        page.evaluate("Date.now = ((now) => () => now() + 3600000)(Date.now)")
        page.clock.run_for(6_000)
        eventually(lambda: page.evaluate("streams.map((each) => each.readyState)") == [2, 1])
        page.clock.run_for(SILENT_MS - LOOK_MS)
        assert page.evaluate("streams.length") == 2


def test_tab_that_shares_the_stream_hears_of_the_silence(logged_in, relay, speaker, webinar):
    with in_the_room(logged_in, webinar) as follower, in_the_room(logged_in, webinar) as holder:
        eventually(lambda: follower.evaluate("streams.every((each) => each.readyState === 2)"))
        relay.lose_streams()
        control(speaker, webinar, "start")
        assert is_lost_within(holder, SILENT_MS)
        expect(follower.locator("#lost")).to_be_visible()
        holder.clock.run_for(RETRY_MS)
        for tab in (holder, follower):
            expect(tab.get_by_role("button", name="Войти в эфир")).to_be_visible()
            expect(tab.locator("#lost")).to_be_hidden()


def test_keep_alives_reach_the_tabs_that_share_the_stream(logged_in, webinar):
    """Their holder's timers may be slowed down in the background; events are not."""
    with in_the_room(logged_in, webinar) as follower, in_the_room(logged_in, webinar) as holder:
        eventually(lambda: follower.evaluate("streams.every((each) => each.readyState === 2)"))
        follower.evaluate(
            "name => { new BroadcastChannel(name).onmessage = ({ data }) => { window.heard = Boolean(data.state); }; }",
            f"efir-room-{webinar}",
        )
        holder.evaluate("streams.at(-1).dispatchEvent(new MessageEvent('keep-alive'))")
        follower.wait_for_function("() => window.heard")
