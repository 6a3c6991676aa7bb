"""Calendars, read by another parser than the one that wrote them; microdata and link previews of the schedule."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import pytest
import vobject
from django.conf import settings
from django.test import Client
from PIL import Image

from efir.webinars import core, selectors
from efir.webinars.posters.render import render_image
from efir.webinars.posters.store import store
from tests.conftest import SYSTEM

pytestmark = pytest.mark.django_db

FEED = "/webinars/calendar.ics"


def calendar(address=FEED, **headers):
    answer = Client().get(address, headers=headers)
    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    return vobject.readOne(answer.content.decode())


def entries(address=FEED) -> dict:
    return {entry.summary.value: entry for entry in calendar(address).contents.get("vevent", [])}


@pytest.fixture
def webinar(clock, make_webinar):
    return make_webinar(
        title="Деньги; доход, \\ и «планы»",
        description="Первая строка\r\nвторая \x0b строка, длинная: " + "очень " * 30,
        starts_at=datetime(2026, 11, 25, 16, 0, tzinfo=UTC),
        length_min=90,
    )


@pytest.mark.parametrize("address", [FEED, "/webinars/{}/calendar.ics"])
def test_event_round_trip(webinar, address):
    entry = entries(address.format(webinar.pk))[webinar.title]
    assert entry.dtstart.value == webinar.starts_at
    assert entry.dtend.value - entry.dtstart.value == timedelta(minutes=90)
    assert entry.status.value == "CONFIRMED"
    assert entry.url.value == f"{settings.EFIR.public_url}/account/webinar_room/{webinar.pk}/"
    assert "Первая строка\nвторая  строка" in entry.description.value
    assert entry.valarm.trigger.value == timedelta(minutes=-15)


def test_lines_follow_rfc_5545(webinar):
    lines = Client().get(FEED).content.split(b"\r\n")
    assert max(map(len, lines)) <= 75
    assert b"METHOD:PUBLISH" in lines
    assert b"REFRESH-INTERVAL;VALUE=DURATION:PT1H" in lines
    assert "X-WR-CALNAME:Вебинары: Эфир".encode() in lines


def test_moved_start_updates_the_same_event(webinar, clock):
    before = entries()[webinar.title]
    clock.move(60)
    core.update(webinar.pk, {"starts_at": webinar.starts_at + timedelta(days=1), "title": "Иначе"}, SYSTEM)
    after = entries()["Иначе"]
    assert after.uid.value == before.uid.value
    assert int(after.sequence.value) > int(before.sequence.value)
    assert after.dtstart.value - before.dtstart.value == timedelta(days=1)
    assert after.last_modified.value > before.last_modified.value
    assert after.dtstamp.value == clock.moment


def test_withdrawn_webinar_is_cancelled_in_the_feed(webinar):
    core.update(webinar.pk, {"withdrawn": True}, SYSTEM)
    for address in (FEED, f"/webinars/{webinar.pk}/calendar.ics"):
        entry = entries(address)[webinar.title]
        assert entry.status.value == "CANCELLED"
        assert int(entry.sequence.value) > webinar.version - 1


def test_feed_holds_recent_published_webinars(clock, make_webinar):
    for state in ("draft", "scheduled", "live", "paused", "finished", "archived"):
        make_webinar(state, title=state)
    make_webinar("finished", title="давно", starts_at=clock.moment - timedelta(days=91))
    feed = entries()
    assert set(feed) == {"scheduled", "live", "paused", "finished", "archived"}
    assert len({entry.uid.value for entry in feed.values()}) == 5


def test_draft_has_no_calendar_file(make_webinar):
    assert Client().get(f"/webinars/{make_webinar('draft').pk}/calendar.ics").status_code == 404
    assert Client().get("/webinars/999/calendar.ics").status_code == 404


def test_unchanged_calendar_is_304(webinar, clock):
    tag = Client().get(FEED)["ETag"]
    clock.move(3600)
    assert Client().get(FEED, headers={"if-none-match": tag}).status_code == 304
    core.update(webinar.pk, {"length_min": 30}, SYSTEM)
    assert Client().get(FEED, headers={"if-none-match": tag}).status_code == 200


def test_language_comes_from_the_url(webinar):
    assert "//RU" in calendar().prodid.value
    assert "//RU" in calendar(FEED + "?lang=xx").prodid.value
    assert "//EN" in calendar(FEED + "?lang=en").prodid.value
    client = Client()
    client.cookies["django_language"] = "en"
    assert f"/webinars/{webinar.pk}/calendar.ics?lang=en" in client.get("/webinars/").content.decode()


class Facts(HTMLParser):
    """Collect the microdata and meta tags of a page; items are dicts, which may be nested."""

    VOID = {"meta", "link", "img", "input", "source", "br", "rect", "circle", "path"}

    def __init__(self, html: str) -> None:
        super().__init__()
        self.items: list[dict] = []
        self.meta: dict[str, str] = {}
        self._open: list[tuple[str, dict | None, list | None]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag == "meta" and (name := found.get("property") or found.get("name")):
            self.meta[name] = found["content"]
        scope = next((item for _, item, _ in reversed(self._open) if item is not None), None)
        item, text = None, None
        if "itemscope" in found:
            item = {"@type": found["itemtype"].removeprefix("https://schema.org/")}
            self.items.append(item)
        if name := found.get("itemprop"):
            value = item if item is not None else found.get("content") or found.get("href")
            if value is None:
                text = [name]
            else:
                scope[name] = value
        if tag not in self.VOID:
            self._open.append((tag, item, text))

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        while self._open:
            closed, _, text = self._open.pop()
            if text:
                scope = next(item for _, item, _ in reversed(self._open) if item is not None)
                scope[text[0]] = " ".join(" ".join(text[1:]).split())
            if closed == tag:
                break

    def handle_data(self, data):
        for _, _, text in self._open:
            if text:
                text.append(data)


def facts_of_schedule() -> Facts:
    return Facts(Client().get("/webinars/").content.decode())


def test_schedule_has_complete_event_microdata(webinar):
    core.update(webinar.pk, {"poster": store(render_image(Image.new("RGB", (960, 540))))}, SYSTEM)
    webinar.refresh_from_db()
    event = next(item for item in facts_of_schedule().items if item["@type"] == "Event")
    home = settings.EFIR.public_url
    assert event["name"] == webinar.title
    assert event["startDate"] == "2026-11-25T19:00:00+03:00"
    assert event["endDate"] == "2026-11-25T20:30:00+03:00"
    assert event["eventAttendanceMode"] == "https://schema.org/OnlineEventAttendanceMode"
    assert event["eventStatus"] == "https://schema.org/EventScheduled"
    assert event["description"].startswith("Первая строка")
    assert event["image"] == f"{home}/posters/{webinar.poster_id}/share.jpg"
    assert event["location"] == {
        "@type": "VirtualLocation",
        "url": f"{home}/account/webinar_room/{webinar.pk}/",
    }
    assert event["performer"] == {"@type": "Person", "name": "Анна"}
    assert event["organizer"] == {"@type": "Organization", "name": "Эфир", "url": f"{home}/webinars/"}
    assert event["offers"]["price"] == "0"
    assert event["offers"]["url"] == f"{home}/signup/?webinar={webinar.pk}"


def test_withdrawn_event_is_marked_cancelled(webinar):
    core.update(webinar.pk, {"withdrawn": True}, SYSTEM)
    event = next(item for item in facts_of_schedule().items if item["@type"] == "Event")
    assert event["eventStatus"] == "https://schema.org/EventCancelled"
    assert "offers" not in event


def test_link_preview_shows_the_next_webinar(webinar):
    core.update(webinar.pk, {"poster": store(render_image(Image.new("RGB", (960, 540))))}, SYSTEM)
    webinar.refresh_from_db()
    meta = facts_of_schedule().meta
    home = settings.EFIR.public_url
    assert meta["og:title"] == webinar.title
    assert meta["og:description"].startswith("25 ноября в 19:00 МСК · Анна. Первая строка")
    assert meta["og:url"] == f"{home}/webinars/"
    assert meta["og:image"] == f"{home}/posters/{webinar.poster_id}/share.jpg"
    assert (meta["og:image:width"], meta["og:image:height"]) == ("1200", "630")
    assert meta["twitter:card"] == "summary_large_image"
    assert Client().get(urlsplit(meta["og:image"]).path)["Content-Type"] == "image/jpeg"


def test_link_preview_without_webinars(db):
    meta = facts_of_schedule().meta
    assert meta["og:title"] == "Вебинары"
    assert "og:image" not in meta


def test_google_link_has_the_same_times(webinar):
    page = Client().get("/webinars/").content.decode()
    address = unescape(re.search(r'href="(https://calendar\.google[^"]+)"', page)[1])
    query = parse_qs(urlsplit(address).query)
    assert query["action"] == ["TEMPLATE"]
    assert query["text"] == [webinar.title]
    assert query["dates"] == ["20261125T160000Z/20261125T173000Z"]


def test_poster_has_dimensions_and_the_first_loads_eagerly(webinar, clock, make_webinar):
    poster = store(render_image(Image.new("RGB", (960, 540))))
    core.update(webinar.pk, {"poster": poster}, SYSTEM)
    make_webinar(title="Потом", poster=poster, starts_at=clock.moment + timedelta(days=5))
    make_webinar(title="Без постера", starts_at=clock.moment + timedelta(days=6))
    images = re.findall(r"<img [^>]*share\.jpg[^>]*>", Client().get("/webinars/").content.decode())
    assert all('width="1600" height="900"' in image for image in images)
    assert ['fetchpriority="high"' in image for image in images] == [True, False]
    assert ['loading="lazy"' in image for image in images] == [False, True]
    assert "poster-blank" in Client().get("/webinars/").content.decode()


def test_long_feed_has_the_nearest(clock, make_webinar, monkeypatch):
    monkeypatch.setattr(selectors, "IN_CALENDAR_PAST", 1)
    monkeypatch.setattr(selectors, "IN_CALENDAR_AHEAD", 2)
    for day in (-3, -2, 1, 2, 3):
        make_webinar(title=f"день {day}", starts_at=clock.moment + timedelta(days=day))
    assert list(entries()) == ["день -2", "день 1", "день 2"]
