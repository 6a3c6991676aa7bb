"""HLS in the room: a real playlist from another host, played by the browser itself and by hls.js."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import a_page
from tests.e2e.conftest import PLAYER, Cast
from tests.support.broadcast import Broadcast, broadcasting
from tests.support.site import Site, Visitor, running_site

BY_LIBRARY = "HTMLMediaElement.prototype.canPlayType = () => '';"
NO_JITTER = "Math.random = () => 0;"  # of the spans within which it tries again
PLAYS = "() => { const video = document.querySelector('video'); return video?.currentTime > 0.3 && !video.muted; }"
VIEWER = "viewer@example.org"


@pytest.fixture(scope="module")
def broadcast() -> Iterator[Broadcast]:
    with broadcasting() as server:
        yield server


@pytest.fixture(scope="module")
def hls_site(tmp_path_factory, broadcast) -> Iterator[Site]:
    """An installation that may play from that host."""
    hosts = {"EFIR_HLS_HOSTS": broadcast.host, "EFIR_FRAME_HOSTS": "player.example.org"}
    with running_site(tmp_path_factory.mktemp("hls"), **hosts) as site:
        site.add(VIEWER)
        yield site


@pytest.fixture(scope="module")
def cast(hls_site, telegram) -> Cast:
    return Cast(hls_site, Visitor(hls_site, "speaker"), telegram[0])


@pytest.fixture
def webinar(cast, broadcast) -> int:
    return cast.webinar(player_url=broadcast.address)


@pytest.fixture
def viewer(chromium, hls_site) -> Iterator[Page]:
    page = a_page(chromium, hls_site, VIEWER)
    page.add_init_script(NO_JITTER)
    yield page
    page.context.close()


def enter(page: Page, cast: Cast, webinar: int) -> None:
    page.goto(f"/account/webinar_room/{webinar}/")
    assert cast.speaker.post(f"/admin_webinar/{webinar}/start").status_code == 200
    page.get_by_role("button", name="Войти в эфир").click()


@pytest.mark.parametrize(
    "script", ["", pytest.param(BY_LIBRARY, marks=pytest.mark.smoke)], ids=["native", "hls.js"]
)
def test_it_waits_for_the_speaker_plays_and_comes_back_after_a_break(
    viewer, cast, webinar, broadcast, script
):
    viewer.add_init_script(script)
    broadcast.on_air = False
    enter(viewer, cast, webinar)
    says = viewer.locator("#player-says")
    expect(says).to_contain_text("ждём ведущего")
    broadcast.on_air = True
    viewer.wait_for_function(PLAYS)
    expect(says).to_be_empty()
    expect(viewer.locator("video")).to_be_focused()
    fetched = viewer.evaluate(
        "performance.getEntriesByType('resource').some(({ name }) => name.includes('/vendor/'))"
    )
    assert fetched == bool(script)
    # As when the line broke: the page says so, and tries again.
    viewer.evaluate("document.querySelector('video').dispatchEvent(new Event('error'))")
    expect(says).to_contain_text("Видео прервалось")
    expect(says).to_be_empty()


def test_the_player_changes_while_live_and_goes_at_the_finish(viewer, cast, webinar, broadcast):
    broadcast.on_air = True
    enter(viewer, cast, webinar)
    expect(viewer.locator("video")).to_have_count(1)
    assert cast.speaker.post(f"/admin_webinar/{webinar}/", player_url=PLAYER).status_code == 302
    expect(viewer.locator("#player iframe")).to_have_attribute("src", PLAYER)
    expect(viewer.locator("video")).to_have_count(0)
    assert cast.speaker.post(f"/admin_webinar/{webinar}/", player_url=broadcast.address).status_code == 302
    viewer.wait_for_function(PLAYS)
    expect(viewer.locator("iframe")).to_have_count(0)
    cast.speaker.post(f"/admin_webinar/{webinar}/stop")
    expect(viewer.locator("#thanks")).to_be_visible()
    expect(viewer.locator("video")).to_have_count(0)


def test_the_policy_names_what_is_configured_and_nothing_else(hls_site, broadcast):
    header = httpx.get(f"{hls_site.url}/webinars/").headers["content-security-policy"]
    policy = dict(each.strip().partition(" ")[::2] for each in header.split(";"))
    origins = f"https://{broadcast.host} http://{broadcast.host}"
    assert policy == {
        "default-src": "'self'",
        "script-src": "'self'",
        "style-src": "'self'",
        "worker-src": "'self'",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self' https://t.me",
        "frame-ancestors": "'none'",
        "media-src": f"'self' blob: {origins}",
        "connect-src": f"'self' {origins}",
        "frame-src": "https://kinescope.io https://live.vkvideo.ru https://player.example.org https://player.vimeo.com"
        " https://rutube.ru https://vimeo.com https://vk.com https://vkvideo.ru https://www.youtube-nocookie.com"
        " https://www.youtube.com",
    }
