"""One's own past webinars and their recordings."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from efir.accounts.capabilities import Role
from efir.webinars import core
from efir.webinars.models import Seat
from tests.conftest import SYSTEM
from tests.support.telegram import classified

pytestmark = pytest.mark.django_db
RECORDING = "https://video.example.org/42"
PAGE = "/account/webinars/"


@pytest.fixture
def webinar(make_webinar):
    webinar = make_webinar("finished")
    return core.publish_recording(webinar.pk, RECORDING, SYSTEM)


@pytest.fixture
def seated(as_role, webinar):
    client = as_role(Role.CANDIDATE)
    Seat.objects.create(webinar=webinar, person=client.person)
    return client


def test_recording_is_found_without_telegram(seated, webinar):
    classified(webinar, [seated.person], "no_show")
    html = seated.get(PAGE).content.decode()
    assert "участие не засчитано" in html
    assert f"/account/recordings/{webinar.pk}/" in html
    assert seated.get(f"/account/recordings/{webinar.pk}/").url == RECORDING
    room = seated.get(f"/account/webinar_room/{webinar.pk}/").content.decode()
    assert f"/account/recordings/{webinar.pk}/" in room


def test_whoever_was_judged_without_a_recorded_entry_finds_it(as_role, webinar):
    """A process that died held them: there is a verdict, and neither a seat nor an entry."""
    client = as_role(Role.CANDIDATE)
    classified(webinar, [client.person], "unknown")
    assert client.get(f"/account/recordings/{webinar.pk}/").url == RECORDING
    for page in (PAGE, f"/account/webinar_room/{webinar.pk}/"):
        assert f"/account/recordings/{webinar.pk}/" in client.get(page).content.decode()


def test_archived_room_leads_to_past_webinars(as_role, make_webinar):
    room = as_role(Role.CANDIDATE).get(f"/account/webinar_room/{make_webinar('archived').pk}/")
    assert f'href="{PAGE}"' in room.content.decode()


def test_minutes_watched_are_told(seated, webinar):
    classified(webinar, [seated.person], "watched_too_little", 3000.0, watched_s=720.0, live_s=3600.0)
    assert "12 минут из 60" in seated.get(PAGE).content.decode()


def test_verdict_that_waits_for_a_decision_says_nothing(seated, webinar):
    classified(webinar, [seated.person], "unknown")
    html = seated.get(PAGE).content.decode()
    assert "ждёт решения" not in html
    assert webinar.title in html


def test_nobody_else_gets_the_recording(as_role, webinar):
    other = as_role(Role.CANDIDATE)
    assert webinar.title not in other.get(PAGE).content.decode()
    assert other.get(f"/account/recordings/{webinar.pk}/").status_code == 404
    assert "/account/recordings/" not in other.get(f"/account/webinar_room/{webinar.pk}/").content.decode()


def test_recording_that_is_not_published_is_404(as_role, make_webinar):
    client, webinar = as_role(Role.CANDIDATE), make_webinar("finished")
    Seat.objects.create(webinar=webinar, person=client.person)
    assert client.get(f"/account/recordings/{webinar.pk}/").status_code == 404
    assert "Записи пока нет" in client.get(PAGE).content.decode()


def test_queries_do_not_grow_with_webinars(seated, webinar, make_webinar):
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert seated.get(PAGE).status_code == 200
        return len(queries)

    before = count()
    for _ in range(5):
        Seat.objects.create(webinar=make_webinar("finished"), person=seated.person)
    assert count() == before
