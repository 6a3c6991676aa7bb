"""Where somebody is logged in: the list, and ending one session or all others."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.test import Client

from efir.accounts import access_cache, devices, sessions
from efir.accounts.models import AccessChange, Session
from tests.conftest import PASSWORD, logged_in

pytestmark = pytest.mark.django_db

SECURITY = "/account/security/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1"
)


@pytest.fixture
def person(make_person):
    return make_person(login="anna@example.ru", password=PASSWORD)


def log_in(person, user_agent=FIREFOX):
    client = Client(HTTP_USER_AGENT=user_agent)
    assert client.post("/login/", {"username": person.login, "password": PASSWORD}).status_code == 302
    return client


def page(client):
    return client.get(SECURITY).content.decode()


def is_logged_in(client):
    return client.get("/account/").status_code == 200


@pytest.mark.parametrize(
    ("user_agent", "device"),
    [
        (FIREFOX, "Firefox, Linux"),
        (IPHONE, "Safari, iPhone"),
        (IPHONE.replace("Version/18.5", "CriOS/140.0"), "Chrome, iPhone"),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
            "Edge, Windows",
        ),
        (
            "Mozilla/5.0 (Macintosh) AppleWebKit/537.36 Chrome/138 YaBrowser/25.8 Safari/537.36",
            "Yandex Browser, macOS",
        ),
        (
            "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36",
            "Chrome, Android",
        ),
        ("curl/8.1 on Linux", "Linux"),
        ("<script>alert(1)</script>", ""),
        ("", ""),
    ],
)
def test_device_is_named_in_words(user_agent, device):
    assert devices.describe(user_agent) == device


class TestList:
    def test_names_each_device_and_marks_this_one(self, person):
        log_in(person, IPHONE)
        shown = page(log_in(person))
        assert "Safari, iPhone" in shown
        assert re.search(r"Firefox, Linux</b>\s*<span[^>]*>это устройство", shown)

    def test_shows_no_session_key(self, person):
        other = log_in(person, IPHONE)
        client = log_in(person)
        shown = page(client)
        assert not any(each.session.session_key in shown for each in (client, other))

    def test_other_peoples_sessions_are_not_listed(self, person, make_person):
        log_in(make_person(login="boris@example.ru", password=PASSWORD), IPHONE)
        assert "iPhone" not in page(log_in(person))

    def test_leaves_out_sessions_that_a_new_password_ended(self, person):
        log_in(person, IPHONE)
        person.set_password("sovsem-novyj-7")
        person.save()
        client = logged_in(person)
        assert "iPhone" not in page(client)

    def test_session_of_a_release_before_has_no_time(self, person):
        other = log_in(person, IPHONE)
        Session.objects.filter(pk=other.session.session_key).update(used_at=None, device="")
        shown = page(log_in(person))
        assert "Неизвестный браузер" in shown
        assert "когда последний раз, неизвестно" in shown

    def test_is_in_english(self, person):
        client = log_in(person)
        client.cookies["django_language"] = "en"
        assert "Where you are logged in" in page(client)

    def test_page_of_many_sessions_has_an_end(self, person):
        client = log_in(person)
        for _ in range(45):
            session = sessions.new_session(person)
            session.create()
        shown = page(client)
        assert shown.count('/end"') == 39 + 1
        assert "И ещё открытых входов: 6." in shown


class TestEnd:
    def mark_of_other(self, client):
        return re.search(r"/account/sessions/(\w{32})/end", page(client))[1]

    def test_ending_one_session(self, person):
        other, third, client = log_in(person, IPHONE), log_in(person, "curl/8"), log_in(person)
        mark = re.search(r"iPhone.*?/account/sessions/(\w{32})/end", page(client), re.DOTALL)[1]
        assert client.post(f"/account/sessions/{mark}/end").url == SECURITY
        assert [is_logged_in(each) for each in (client, other, third)] == [True, False, True]
        assert AccessChange.objects.filter(person=person).exists()  # which every process polls

    def test_ending_all_other_sessions(self, person, make_person):
        stranger = log_in(make_person(login="boris@example.ru", password=PASSWORD))
        other, client = log_in(person, IPHONE), log_in(person)
        assert client.post("/account/sessions/end").url == SECURITY
        assert [is_logged_in(each) for each in (client, other, stranger)] == [True, False, True]
        assert "Вы вошли только в этом браузере" in page(client)

    def test_other_peoples_sessions_cannot_be_ended(self, person, make_person):
        log_in(person, IPHONE)
        client = log_in(person)
        mark = self.mark_of_other(client)
        stranger = log_in(make_person(login="boris@example.ru", password=PASSWORD))
        stranger.post(f"/account/sessions/{mark}/end")
        assert Session.objects.filter(person=person).count() == 2

    def test_ending_an_unknown_session_is_no_error(self, person):
        assert log_in(person).post("/account/sessions/none/end").url == SECURITY


class TestUse:
    def used_at(self, client):
        return Session.objects.get(pk=client.session.session_key).used_at

    def test_is_written_once_an_hour(self, person, clock):
        client = log_in(person)
        first = clock()
        clock.move(3599)
        client.get("/account/")
        assert self.used_at(client) == first
        clock.move(1)
        client.get("/account/")
        assert self.used_at(client) == clock()

    def test_pages_from_memory_count(self, person, clock):
        client = log_in(person)
        key = client.session.session_key
        clock.move(3600)
        access_cache._read([key])
        assert self.used_at(client) == clock()

    def test_clock_set_back_is_written_anew(self, person, clock):
        client = log_in(person)
        clock.move(-7200)
        client.get("/account/")
        assert self.used_at(client) == clock()

    def test_read_only_database_keeps_readers_in(self, person, clock, monkeypatch):
        client = log_in(person)
        clock.move(3600)

        def refuse(*_args, **_kwargs):
            raise DatabaseError("read-only")

        monkeypatch.setattr("django.db.models.query.QuerySet.update", refuse)
        assert is_logged_in(client)

    def test_is_exported_without_the_key(self, person, clock):
        client = log_in(person)
        from efir.accounts.personal_data import export_data

        (row,) = export_data(person)["sessions"]
        assert row["device"] == "Firefox, Linux"
        assert client.session.session_key not in str(row)
        assert timedelta(0) == clock() - self.used_at(client)
