"""Opening the broadcast, and which streams count as watching, with real pages and tabs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import Error, Locator, Page, expect

from tests.browser.pages import stop_clock
from tests.browser.test_tabs import LOADS_HIDDEN, Person, elsewhere, person, webinar  # noqa: F401  # fixtures
from tests.e2e.conftest import PLAYER, Cast
from tests.support.site import Site, Visitor, eventually, running_site

CHAT = "https://www.youtube.com/live_chat?v=abc"
# As in a browser that lets a page play sound only after a press on it.
NO_ACTIVATION = "Object.defineProperty(navigator, 'userActivation', { value: { hasBeenActive: false } });"
OPEN = "streams.filter((each) => each.readyState === 1).map(({ url }) => new URL(url).search)"
# How many streams are open whenever one is closed.
LOG = """
window.closing = [];
EventSource.prototype.close = ((close) => function () {
  closing.push(streams.filter((each) => each.readyState === 1).length);
  close.call(this);
})(EventSource.prototype.close);
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Site]:
    """An installation where watching counts."""
    with running_site(tmp_path_factory.mktemp("watching"), EFIR_MIN_WATCHED="50") as site:
        yield site


@pytest.fixture(scope="module")
def speaker(site) -> Visitor:
    return Visitor(site, "speaker")


@pytest.fixture(scope="module")
def cast(site, speaker, telegram) -> Cast:
    return Cast(site, speaker, telegram[0])


@pytest.fixture
def live(person, webinar, speaker):  # noqa: F811  # fixtures
    """The person's browser, and a webinar on air."""
    control(speaker, webinar, "start")
    person.context.route("https://www.youtube.com/**", lambda route: route.fulfill(body="эфир"))
    return person


def control(speaker: Visitor, webinar: int, action: str) -> None:  # noqa: F811  # not the fixture
    assert speaker.post(f"/admin_webinar/{webinar}/{action}").status_code == 200


def player(tab: Page) -> Locator:
    return tab.locator("#player iframe")


def enters(tab: Page) -> None:
    tab.get_by_role("button", name="Войти в эфир").click()
    expect(player(tab)).to_have_count(1)


def has_stream(person: Person, tab: Page, *, watching: bool) -> None:  # noqa: F811  # not the fixture
    """Wait until this tab alone has a stream, and it is of this kind."""
    wanted = ["?watching=1"] if watching else [""]
    eventually(lambda: person.streaming() == [tab] and tab.evaluate(OPEN) == wanted)


def intervals(person: Person, kind: str) -> list[bool]:  # noqa: F811  # not the fixture
    """Return which of the person's intervals of presence or watching are still open; an empty one is only a mark."""
    table = {"presence": "room_presenceinterval", "watching": "room_watchinginterval"}[kind]
    with person.site.database() as connection:
        rows = connection.execute(
            f"SELECT ended_at FROM {table} JOIN accounts_person ON person_id = accounts_person.id "
            f"WHERE login = '{person.login}' AND webinar_id = {person.webinar} "
            "AND (ended_at IS NULL OR ended_at > began_at) ORDER BY began_at"
        ).fetchall()
    return [ended_at is None for (ended_at,) in rows]


@pytest.mark.smoke
def test_press_opens_the_broadcast_and_makes_the_stream_watching(live):
    tab = live.opens(LOG)
    has_stream(live, tab, watching=False)
    expect(tab.get_by_text("Участие засчитывается, если смотреть эфир.")).to_be_visible()
    expect(player(tab)).to_have_count(0)
    enters(tab)
    expect(player(tab)).to_have_attribute("src", PLAYER)
    expect(tab.get_by_text("Участие засчитывается, если смотреть эфир.")).to_be_hidden()
    has_stream(live, tab, watching=True)
    assert tab.evaluate("closing") == [2], "the new stream is there before the old one goes"
    eventually(lambda: intervals(live, "watching") == [True])
    eventually(lambda: intervals(live, "presence") == [True])


def test_reload_goes_on_watching_until_the_finish(live, speaker, webinar):  # noqa: F811  # fixtures
    tab = live.opens(NO_ACTIVATION)
    enters(tab)
    tab.reload()
    expect(player(tab)).to_have_attribute("src", PLAYER)
    has_stream(live, tab, watching=True)
    expect(tab.get_by_text("Если видео не пошло само, нажмите ▶ на нём.")).to_be_visible()
    tab.evaluate("dispatchEvent(new Event('blur'))")
    expect(tab.locator("#resumed")).to_be_hidden()
    control(speaker, webinar, "stop")
    expect(tab.locator("#thanks")).to_be_visible()
    assert tab.evaluate("sessionStorage.length") == 0


def test_page_that_did_not_watch_is_not_opened_by_a_reload(live):
    tab = live.opens()
    has_stream(live, tab, watching=False)
    tab.reload()
    has_stream(live, tab, watching=False)
    expect(tab.get_by_role("button", name="Войти в эфир")).to_be_visible()


def test_stream_watches_while_any_tab_plays(live):
    """The one that is in view has the stream, and does not play."""
    plays = live.opens()
    enters(plays)
    has_stream(live, plays, watching=True)
    beside = live.opens()
    has_stream(live, beside, watching=True)
    expect(beside.get_by_text("Эфир открыт в другой вкладке")).to_be_visible()
    expect(beside.locator("#counts")).to_be_hidden()
    expect(player(plays)).to_have_count(1)
    eventually(lambda: intervals(live, "watching") == [True])
    live.closes(plays)
    has_stream(live, beside, watching=False)
    expect(beside.get_by_text("Включится видео со звуком")).to_be_visible()
    expect(beside.locator("#counts")).to_be_visible()
    eventually(lambda: intervals(live, "watching") == [False])
    eventually(lambda: intervals(live, "presence") == [True])


def test_tab_that_plays_and_crashes_watches_no_more(live):
    plays = live.opens()
    enters(plays)
    beside = live.opens()
    has_stream(live, beside, watching=True)
    live.tabs.remove(plays)
    with plays.expect_event("crash"), suppress(Error):
        plays.goto("chrome://crash")
    has_stream(live, beside, watching=False)
    plays.close()


def test_tab_with_the_stream_plays_and_is_closed(live):
    beside, plays = live.opens(), live.opens()
    enters(plays)
    has_stream(live, plays, watching=True)
    live.closes(plays)
    has_stream(live, beside, watching=False)


def test_player_moves_to_another_tab_without_a_gap(live):
    first, second = live.opens(), live.opens()
    has_stream(live, second, watching=False)
    for tab, other in ((first, second), (second, first)):
        enters(tab)
        expect(player(other)).to_have_count(0)
        has_stream(live, second, watching=True)
    eventually(lambda: intervals(live, "watching") == [True])


def test_hidden_tab_goes_on_playing_and_watching(live):
    plays, beside = live.opens(), live.opens(LOADS_HIDDEN)
    enters(plays)
    plays.evaluate("hide(true)")
    beside.evaluate("hide(false)")
    has_stream(live, beside, watching=True)
    plays.evaluate("hide(false)")
    beside.evaluate("hide(true)")
    has_stream(live, plays, watching=True)
    eventually(lambda: intervals(live, "watching") == [True])


@pytest.mark.parametrize("missing", ["delete Navigator.prototype.locks;", "delete window.BroadcastChannel;"])
def test_tabs_that_cannot_share_watch_each_for_itself(live, missing):
    plays, beside = live.opens(missing), live.opens(missing)
    enters(plays)
    eventually(lambda: (plays.evaluate(OPEN), beside.evaluate(OPEN)) == (["?watching=1"], [""]))


def test_stream_stays_while_the_watching_one_cannot_open(live):
    tab = live.opens("Math.random = () => 0;", prepare=stop_clock)
    has_stream(live, tab, watching=False)
    # After a third failure in a row the page closes its stream and asks why. On a busy machine three come soon.
    tab.route("**/stream?watching=1", lambda route: route.abort(), times=2)
    enters(tab)

    def has_opened() -> bool:
        tab.clock.run_for(200)
        expect(tab.locator("#lost")).to_be_hidden()
        return tab.evaluate(OPEN) == ["?watching=1"]

    eventually(has_opened)
    eventually(lambda: intervals(live, "watching") == [True])
    eventually(lambda: intervals(live, "presence") == [True])


@pytest.mark.parametrize(
    ("status", "words"), [(503, "Эфир не открылся"), (409, "Сейчас эфир не идёт"), (0, "Эфир не открылся")]
)
def test_refusal_is_told_and_tried_again(live, status, words):
    tab = live.opens(prepare=stop_clock)

    def refuse(route):
        return route.fulfill(status=status, json={}) if status else route.abort()

    tab.route("**/watch", refuse, times=2)
    button = tab.get_by_role("button", name="Войти в эфир")
    button.click()
    expect(tab.get_by_text(words)).to_be_visible()
    expect(player(tab)).to_have_count(0)
    button.click()
    expect(tab.get_by_text(words)).to_be_visible()
    tab.clock.run_for(10_000)
    expect(player(tab)).to_have_count(1)


def test_person_who_may_no_longer_watch_gets_the_page_that_says_so(live):
    tab = live.opens()
    enters(tab)
    tab.route("**/watch", lambda route: route.fulfill(status=403, json={}), times=1)
    tab.evaluate("window.notReloaded = true")
    tab.reload()
    tab.wait_for_function("() => sessionStorage.length === 0")
    expect(tab.get_by_role("button", name="Войти в эфир")).to_be_visible()


def test_another_player_is_asked_for_again(live, speaker, webinar):  # noqa: F811  # fixtures
    tab = live.opens()
    enters(tab)
    posts: list[str] = []
    tab.on("request", lambda request: request.url.endswith("/watch") and posts.append(request.method))
    fresh = "https://www.youtube.com/embed/def"
    fields = {"player_url": fresh, "chat_url": CHAT}
    assert speaker.post(f"/admin_webinar/{webinar}/", **fields).status_code == 302
    expect(player(tab)).to_have_attribute("src", fresh)
    expect(tab.locator("#chat iframe")).to_have_count(1)
    assert posts == ["POST"]
    assert live.streaming() == [tab]
