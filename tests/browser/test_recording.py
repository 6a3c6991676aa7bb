"""A recording's page: it plays without a log-in, with hls.js and without it, and shows nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import a_page
from tests.e2e.conftest import Cast
from tests.support.recorder import record
from tests.support.sender import Sender
from tests.support.site import Visitor, eventually, running_site

SECONDS = 8
WITHIN_MS = 120_000
WITHOUT_LIBRARY = "delete window.MediaSource; delete window.ManagedMediaSource;"
# The picture moves, the sound is decoded, and it is really this far.
PLAYS = """(from) => {
  const video = document.querySelector("video");
  const frames = video.getVideoPlaybackQuality().totalVideoFrames;
  const isComplete = video.videoWidth === 320 && video.webkitAudioDecodedByteCount > 0;
  return video.currentTime > from + 0.5 && frames > 5 && isComplete;
}"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, telegram) -> Iterator[tuple[Cast, int, str]]:
    """An installation with a webinar that was broadcast and stopped; the path of its recording."""
    with running_site(tmp_path_factory.mktemp("recorded")) as site:
        cast = Cast(site, Visitor(site, "speaker"), telegram[0])
        webinar = cast.webinar(video="own", player_url="", title="Запись про <всё>")
        cast.speaker.post(f"/admin_webinar/{webinar}/start")
        sender = Sender(cast.speaker, webinar)
        sender.send(record(seconds=SECONDS))
        sender.end()
        sender.until_past(SECONDS)
        cast.speaker.post(f"/admin_webinar/{webinar}/stop")
        yield cast, webinar, eventually(lambda: ready_path(cast, webinar))


def ready_path(cast: Cast, webinar: int) -> str:
    url = cast.speaker.get(f"/admin_webinar/{webinar}/recording").json()["url"]
    return url.removeprefix(cast.site.url) if url else ""


@pytest.fixture
def guest(chromium, recorded) -> Iterator[Page]:
    """Somebody who was never logged in here."""
    page = a_page(chromium, recorded[0].site)
    yield page
    assert page.complaints == []
    page.context.close()


@pytest.mark.parametrize("script", ["", WITHOUT_LIBRARY], ids=["with hls.js", "the file alone"])
def test_recording_plays_and_seeks(guest, recorded, script):
    guest.add_init_script(script)
    guest.goto(recorded[2])
    expect(guest.get_by_role("heading")).to_have_text("Запись про <всё>")
    guest.locator("video").evaluate("video => video.play()")
    guest.wait_for_function(PLAYS, arg=0, timeout=WITHIN_MS)
    duration = guest.locator("video").evaluate("video => video.duration")
    assert abs(duration - SECONDS) < 1.5
    guest.locator("video").evaluate("video => { video.currentTime = 5; }")
    guest.wait_for_function(PLAYS, arg=5, timeout=WITHIN_MS)
    expect(guest.locator("#broken")).to_be_hidden()


def test_recording_page_has_nothing_else(guest, recorded):
    guest.goto(recorded[2])
    links = guest.locator("a").evaluate_all("links => links.map((link) => link.getAttribute('href'))")
    assert links == ["#main", "/account/contacts/"]
    assert guest.locator("form").count() == 0
    guest.get_by_role("link", name="Контакты для связи").click()
    guest.wait_for_url("**/login/**")
    assert guest.evaluate("document.referrer") == ""


def test_speaker_watches_and_publishes(chromium, recorded):
    cast, webinar, path = recorded
    page = a_page(chromium, cast.site, "speaker")
    page.goto(f"/admin_webinar/{webinar}/")
    shown = page.locator("#own-recording")
    expect(shown).to_contain_text("Запись эфира готова", timeout=WITHIN_MS)
    expect(shown.get_by_role("link", name="Посмотреть запись")).to_have_attribute("href", path)
    shown.get_by_role("button", name="Опубликовать запись").click()
    page.locator("dialog[open] [data-yes]").click()
    expect(page.locator("#own-recording")).to_contain_text("Запись эфира опубликована", timeout=WITHIN_MS)
    page.context.close()
