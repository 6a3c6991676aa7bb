"""The page of one's own seat."""

from __future__ import annotations

import pytest

from efir.accounts.capabilities import Role
from efir.webinars import core
from efir.webinars.models import Seat
from tests.conftest import SYSTEM
from tests.support.telegram import with_accepted_bot

pytestmark = pytest.mark.django_db


@pytest.fixture
def webinar(make_webinar):
    return make_webinar("scheduled")


@pytest.fixture
def client(as_role, webinar, settings):
    with_accepted_bot(settings)
    client = as_role(Role.CANDIDATE)
    core.book_seat(webinar.pk, client.person)
    return client


def page(client, webinar):
    return client.get(f"/account/seats/{webinar.pk}/").content.decode()


def test_page_offers_calendar_reminder_and_one_question(client, webinar):
    html = page(client, webinar)
    assert f"/webinars/{webinar.pk}/calendar.ics" in html
    assert "Напомнить в Telegram" in html
    assert html.count('name="device"') == 3


def test_seat_of_a_webinar_that_is_over_leads_to_its_recording(client, webinar):
    core.core_webinar_set_status(webinar.pk, "start", SYSTEM)
    assert f"/account/webinar_room/{webinar.pk}/" in page(client, webinar)
    core.core_webinar_set_status(webinar.pk, "stop", SYSTEM)
    html = page(client, webinar)
    assert "завершён" in html
    assert 'href="/account/webinars/"' in html
    assert "/account/webinar_room/" not in html


def test_seat_of_a_withdrawn_webinar_says_so(client, webinar):
    core.update(webinar.pk, {"withdrawn": True}, SYSTEM)
    html = page(client, webinar)
    assert "не состоится" in html
    assert "место есть" not in html
    assert html.count("К расписанию") == 1
    assert "Напомнить" not in html
    client.post(f"/account/seats/{webinar.pk}/remind", {"on": "true"})
    assert "Не напоминать" in page(client, webinar)  # the bot's message says that it is here


def test_no_reminder_is_offered_without_a_bot(as_role, webinar):
    candidate = as_role(Role.CANDIDATE)
    core.book_seat(webinar.pk, candidate.person)
    html = page(candidate, webinar)
    assert "Напомнить" not in html
    assert f"/webinars/{webinar.pk}/calendar.ics" in html


def test_reminder_is_switched_on_and_off(client, webinar):
    path = f"/account/seats/{webinar.pk}/remind"
    html = client.post(path, {"on": "true"}, HTTP_ACCEPT="text/html", follow=True).content.decode()
    assert "Напомним в Telegram." in html
    assert "привяжите Telegram" in html
    assert Seat.objects.get().remind_since is not None
    assert client.post(path, {"on": "false"}).json() == {"webinar_id": webinar.pk, "remind": False}
    assert Seat.objects.get().remind_since is None


def test_device_is_kept_and_others_are_refused(client, webinar):
    path = f"/account/seats/{webinar.pk}/device"
    assert client.post(path, {"device": "phone"}).json()["device"] == "phone"
    assert client.post(path, {"device": "television"}).status_code == 400
    assert Seat.objects.get().device == "phone"


def test_seat_of_nobody_else_is_shown_or_changed(as_role, client, webinar):
    other = as_role(Role.CANDIDATE)
    assert other.get(f"/account/seats/{webinar.pk}/").status_code == 404
    assert other.post(f"/account/seats/{webinar.pk}/remind", {"on": "true"}).status_code == 404
    assert other.post(f"/account/seats/{webinar.pk}/device", {"device": "phone"}).status_code == 404
    assert Seat.objects.get().device == ""


def test_sign_up_through_a_webinar_leads_to_the_seat(client, webinar):
    answer = client.get(f"/signup/?webinar={webinar.pk}")
    assert answer.url == f"/account/seats/{webinar.pk}/"
