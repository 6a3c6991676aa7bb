"""The smaller picture in a real room: chosen by the viewer, kept over a reload, offered first when the line is weak."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import a_page
from tests.browser.test_broadcast import MOVES, NO_JITTER, WITHIN_MS
from tests.support.recorder import record
from tests.support.sender import Sender, own_webinar_on_air
from tests.support.site import Site, Visitor, running_site

SECONDS = 10
SMALLER, SOUND = "Экономное видео", "Только звук"
HEIGHT_IS = """(height) => {
  const video = document.querySelector("#player video");
  return video && video.currentTime > 1 && video.videoHeight === height;
}"""


@pytest.fixture
def site(tmp_path) -> Iterator[Site]:
    with running_site(tmp_path, EFIR_LOW_RUNG="1") as site:
        yield site


@pytest.fixture
def on_air(site) -> Iterator[int]:
    """A live webinar to which somebody sends 720p until the test ends."""
    speaker = Visitor(site, "speaker")
    webinar = own_webinar_on_air(speaker)
    chunks = record(seconds=SECONDS, size=(1280, 720), bit_rate=1_400_000)
    sender, over = Sender(speaker, webinar), threading.Event()

    def send() -> None:
        while not over.is_set():
            for chunk in chunks:  # each round begins another container
                sender.send([chunk])
                if over.wait(1):
                    return

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield webinar
    finally:
        over.set()
        thread.join()


def shows(room: Page, height: int) -> None:
    room.wait_for_function(HEIGHT_IS, arg=height, timeout=WITHIN_MS)


def test_viewer_chooses_the_smaller_picture(chromium, site, on_air):
    room = a_page(chromium, site, "speaker")
    room.add_init_script(NO_JITTER)
    room.goto(f"/account/webinar_room/{on_air}/")
    bar, help_ = room.locator(".air-row"), room.locator("#no-picture")
    smaller, sound = (bar.get_by_role("button", name=name) for name in (SMALLER, SOUND))
    expect(smaller).to_be_hidden()
    room.get_by_role("button", name="Войти в эфир").click()
    shows(room, 720)
    expect(smaller).to_have_attribute("aria-pressed", "false", timeout=WITHIN_MS)
    smaller.press("Enter")
    expect(smaller).to_have_attribute("aria-pressed", "true")
    expect(smaller).to_be_focused()
    shows(room, 360)
    assert room.evaluate(MOVES)

    room.reload()
    shows(room, 360)
    sound.click()
    expect(smaller).to_have_attribute("aria-pressed", "false")
    shows(room, 0)
    sound.click()
    shows(room, 720)

    room.route("**/media/**", lambda route: route.abort())
    offered = help_.get_by_role("button", name=SMALLER)
    expect(offered).to_be_visible(timeout=WITHIN_MS)
    assert help_.get_by_role("button").all_inner_texts() == ["Обновить плеер", SMALLER, SOUND]
    offered.click()  # while nothing arrives: the picture would come back by itself, and the help go
    room.unroute("**/media/**")
    shows(room, 360)
    expect(help_).to_be_hidden()
