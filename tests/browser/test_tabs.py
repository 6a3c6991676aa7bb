"""The tabs of one browser share one stream, and the person is present without a gap."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import datetime
from http import HTTPStatus
from http.client import HTTPConnection

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.pages import a_page, stop_clock
from tests.support.site import Site, Visitor, eventually

# Every stream that a page ever opens is kept. The test says what is hidden, and no one else: headless pages are all
# visible, but for a moment as they are closed.
WATCHED = """
window.streams = [];
window.EventSource = class extends EventSource {
  constructor(address) { super(address); window.streams.push(this); }
};
addEventListener("visibilitychange", (event) => { if (event.isTrusted) event.stopImmediatePropagation(); }, true);
Object.defineProperty(document, "hidden", { get: () => Boolean(window.isHidden) });
window.hide = (hidden) => { window.isHidden = hidden; document.dispatchEvent(new Event("visibilitychange")); };
"""
LOADS_HIDDEN = "window.isHidden = true;"
SILENCE_S = 25  # a holder that says nothing for this long is replaced (shared.js)
LIMIT = 20  # of streams per person, likewise


class Person:
    """Somebody with one browser and any number of tabs in the room."""

    def __init__(self, chromium: Browser, site: Site, login: str, webinar: int, elsewhere: int) -> None:
        self.site, self.login, self.webinar, self.elsewhere = site, login, webinar, elsewhere
        self.visitor = Visitor(site, login)
        first = a_page(chromium, site, login)
        self.context = first.context
        self.context.add_init_script(WATCHED)
        self.tabs: list[Page] = []
        self.complaints: list[str] = []
        self.context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        first.close()

    def opens(self, *init_scripts: str, prepare: Callable[[Page], object] = lambda _: None) -> Page:
        """Open the room in one more tab."""
        tab = self.context.new_page()
        for script in init_scripts:
            tab.add_init_script(script)
        prepare(tab)
        tab.goto(f"/account/webinar_room/{self.webinar}/")
        self.tabs.append(tab)
        return tab

    def closes(self, tab: Page) -> None:
        self.tabs.remove(tab)
        tab.close()

    def streaming(self) -> list[Page]:
        """The tabs with an open stream, as the browser says."""
        return [tab for tab in self.tabs if tab.evaluate("streams.some((each) => each.readyState === 1)")]

    def opened(self) -> int:
        """How many streams these tabs ever opened."""
        return sum(tab.evaluate("streams.length") for tab in self.tabs)

    def served(self) -> int:
        """How many streams the server serves this person: by as many fewer does it take more, in another room."""
        cookie = "; ".join(f"{each.name}={each.value}" for each in self.visitor.http.cookies.jar)
        with ExitStack() as stack:
            for taken in range(LIMIT + 1):
                asking = HTTPConnection("127.0.0.1", self.site.port, timeout=30)
                asking.request(
                    "GET", f"/account/webinar_room/{self.elsewhere}/stream", headers={"Cookie": cookie}
                )
                answer = stack.enter_context(closing(asking.getresponse()))
                if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
                    return LIMIT - taken
        raise AssertionError("no limit")

    def settles_on(self, *tabs: Page) -> None:
        """Wait until these tabs, and no others, have a stream, as they and the server say."""
        eventually(lambda: self.streaming() == list(tabs) and self.served() == len(tabs))
        assert self.streaming() == list(tabs)

    def presence(self) -> list[list[str | None]]:
        """The beginning and the end of each interval in the database, in order; an empty one is only a mark."""
        code = (
            "import django, json; django.setup()\n"
            "from django.db.models import F\n"
            "from efir.lib import clock; from efir.room.models import PresenceInterval\n"
            f"rows = PresenceInterval.objects.filter(person__login={self.login!r}, webinar={self.webinar})\n"
            "rows = rows.exclude(ended_at=F('began_at')).order_by('began_at').values_list('began_at', 'ended_at')\n"
            "print(json.dumps([[at and clock.iso(at) for at in row] for row in rows]))"
        )
        environ = self.site.environ | {"DJANGO_SETTINGS_MODULE": "efir.settings"}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environ, stdout=subprocess.PIPE, text=True, check=True
        )
        return json.loads(done.stdout)


@pytest.fixture
def webinar(cast) -> int:
    return cast.webinar()


@pytest.fixture(scope="module")
def elsewhere(cast) -> int:
    return cast.webinar(title="Не здесь")


@pytest.fixture
def person(chromium, site, webinar, elsewhere) -> Iterator[Person]:
    login = f"tabs{webinar}@example.org"
    site.add(login)
    person = Person(chromium, site, login, webinar, elsewhere)
    yield person
    person.context.close()
    assert person.complaints == []


def on_air(speaker: Visitor, webinar: int, action: str = "start") -> None:
    assert speaker.post(f"/admin_webinar/{webinar}/{action}").status_code == 200


@pytest.mark.smoke
def test_three_tabs_have_one_stream_and_all_show_start_and_stop(person, speaker, webinar):
    tabs = [person.opens() for _ in range(3)]
    person.settles_on(tabs[2])
    on_air(speaker, webinar)
    for tab in tabs:
        expect(tab.get_by_role("button", name="Войти в эфир")).to_be_visible()
    on_air(speaker, webinar, "stop")
    for tab in tabs:
        expect(tab.get_by_role("heading", name="Спасибо, что были с нами")).to_be_visible()
    person.settles_on()


def test_nobody_opens_a_stream_after_the_finish(person, speaker, webinar):
    follower, holder = person.opens(), person.opens()
    person.settles_on(holder)
    on_air(speaker, webinar)
    on_air(speaker, webinar, "stop")
    for tab in (follower, holder):
        expect(tab.locator("#thanks")).to_be_visible()
    before = follower.evaluate("streams.length")
    person.closes(holder)
    # The lock is free, and nobody waits for it.
    eventually(lambda: follower.evaluate("navigator.locks.query()") == {"held": [], "pending": []})
    follower.evaluate("hide(true), hide(false)")
    person.settles_on()
    assert follower.evaluate("streams.length") == before


def test_closing_the_tab_that_has_the_stream_hands_it_on(person, speaker, webinar):
    tabs = [person.opens() for _ in range(3)]
    person.settles_on(tabs[2])
    person.closes(tabs[2])
    person.settles_on(tabs[0])
    on_air(speaker, webinar)
    for tab in person.tabs:
        expect(tab.get_by_role("button", name="Войти в эфир")).to_be_visible()
        expect(tab.locator("#viewers")).to_have_text("1")
    assert person.visitor.get(f"/account/webinar_room/{webinar}/people").json()["total"] == 1
    # A closed tab takes its stream along. The next one's is there before a silent holder would be replaced; on a busy
    # machine the server hears of it before the end of the first, and sees no gap at all.
    rows = eventually(lambda: (rows := person.presence()) and rows[-1][1] is None and rows)
    for (_, left), (came, _) in itertools.pairwise(rows):
        assert (datetime.fromisoformat(came) - datetime.fromisoformat(left)).total_seconds() < SILENCE_S


def test_the_tab_in_view_has_the_stream_and_presence_has_no_gap(person):
    first, second = person.opens(), person.opens(LOADS_HIDDEN)
    person.settles_on(first)
    for shown, hidden in ((second, first), (first, second), (second, first)):
        hidden.evaluate("hide(true)")
        shown.evaluate("hide(false)")
        person.settles_on(shown)
    ((_, ended_at),) = person.presence()
    assert ended_at is None


def test_a_hidden_tab_leaves_the_stream_to_a_window_in_view(person):
    beside, holder = person.opens(), person.opens()
    person.settles_on(holder)
    holder.evaluate("hide(true)")
    person.settles_on(beside)
    assert len(person.presence()) == 1


def test_two_visible_windows_share_one_stream(person, webinar):
    """The heartbeats between tabs repeat an old server time, which must not move the clock."""
    beside, holder = person.opens(), person.opens()
    person.settles_on(holder)
    before = person.opened()
    beside.evaluate(
        """name => new Promise((done) => {
          let left = 3;
          new BroadcastChannel(name).onmessage = ({ data }) => { if (data.state && !(left -= 1)) done(); };
        })""",
        f"efir-room-{webinar}",
    )
    assert person.streaming() == [holder]
    assert person.opened() == before
    offset = beside.evaluate(
        """async () => {
          const files = performance.getEntriesByType("resource").map(({ name }) => name);
          const { serverNow } = await import(files.find((name) => name.includes("/js/clock")));
          return serverNow() - Date.now();
        }"""
    )
    assert abs(offset) < 2000


def test_stream_handover_keeps_presence(person):
    """The new tab cannot connect: the old one keeps its stream, and the new one says what is wrong."""
    old = person.opens()
    person.settles_on(old)
    new = person.opens(prepare=lambda tab: tab.route("**/stream", lambda route: route.abort()))
    expect(new.locator("#lost")).to_be_visible()
    assert person.streaming() == [old]
    expect(old.locator("#lost")).to_be_hidden()
    new.unroute("**/stream")
    new.evaluate("window.dispatchEvent(new Event('online'))")
    person.settles_on(new)
    expect(new.locator("#lost")).to_be_hidden()
    ((_, ended_at),) = person.presence()
    assert ended_at is None


def test_silent_stream_holder_is_replaced(person):
    # This clock goes on: the other tab hears it with its next sign of life.
    old = person.opens(prepare=lambda tab: tab.clock.install())
    person.settles_on(old)
    mute = person.opens("BroadcastChannel.prototype.postMessage = () => {};")
    person.settles_on(old, mute)
    old.clock.run_for((SILENCE_S + 1) * 1000)
    person.settles_on(old)


def test_page_restored_from_the_cache_reconnects(person):
    """The browser keeps the page in its cache, but that does not count as presence."""
    other, holder = person.opens(LOADS_HIDDEN), person.opens()
    person.settles_on(holder)
    holder.evaluate("window.dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    person.settles_on(other)
    holder.evaluate("window.dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    person.settles_on(holder)


@pytest.mark.parametrize("missing", ["delete Navigator.prototype.locks;", "delete window.BroadcastChannel;"])
def test_tabs_without_locks_have_their_own_streams(person, speaker, webinar, missing):
    tabs = [person.opens(missing) for _ in range(2)]
    person.settles_on(*tabs)
    on_air(speaker, webinar)
    for tab in tabs:
        expect(tab.get_by_role("button", name="Войти в эфир")).to_be_visible()
        expect(tab.locator("#viewers")).to_have_text("1")
    on_air(speaker, webinar, "stop")
    person.settles_on()


def test_people_list_keeps_its_loaded_pages(person):
    """By keyboard: what was read stays in its place, and the focus with it, as the list is read again."""
    room = ["Анна", "Борис", "Вера", "Глеб", "Дина"]

    def answer(route: Route) -> None:
        pages = max(1, -(-len(room) // 2))
        page = min(int(route.request.url.partition("page=")[2]), pages)
        people = [{"name": name, "role": "кандидат"} for name in room[page * 2 - 2 : page * 2]]
        route.fulfill(json={"people": people, "total": len(room), "page": page, "pages": pages})

    def prepare(tab: Page) -> None:
        stop_clock(tab)
        tab.route("**/people?page=*", answer)

    tab = person.opens(prepare=prepare)
    rows, more = tab.locator("#people-list li"), tab.get_by_role("button", name="Показать ещё")
    tab.get_by_role("link", name="Чат и вопросы").press(
        "Enter"
    )  # on a phone the talk is folded until the start
    tab.locator("#talk-tab-people").press("Enter")
    expect(rows).to_have_text(["Анна кандидат", "Борис кандидат"])
    expect(tab.locator("#people-shown")).to_have_text("Показано 2 из 5")
    more.press("Enter")
    expect(rows.nth(2)).to_be_focused()
    room[0:1] = []
    tab.clock.run_for(16_000)
    expect(rows).to_have_text([f"{name} кандидат" for name in room])
    expect(rows.nth(2)).to_be_focused()
    expect(more).to_be_hidden()
    room[1:] = []
    tab.clock.run_for(16_000)
    expect(rows).to_have_text(["Борис кандидат"])
    tab.unroute("**/people?page=*")
    tab.route("**/people?page=*", lambda route: route.abort())
    tab.clock.run_for(16_000)
    expect(tab.get_by_text("Список не загрузился. Скоро попробуем ещё раз.")).to_be_visible()
    expect(rows).to_have_count(1)
