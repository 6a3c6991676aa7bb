"""Sessions: stored once, in the transaction of the login or sign-up."""

from __future__ import annotations

import pytest
from axes.models import AccessAttempt
from axes.utils import reset
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from efir.accounts.models import Session
from efir.accounts.sessions import SessionStore

PASSWORD = "kandidat-2026"
BEGINS = ("BEGIN", "START TRANSACTION")


@pytest.fixture(autouse=True)
def _reset_axes(db):
    yield
    reset()


def log_in(client: Client, login: str, password: str = PASSWORD):
    return client.post("/login/", {"username": login, "password": password})


@pytest.mark.django_db(transaction=True)
class TestOneTransaction:
    def test_sign_up_with_a_seat_begins_one(self, make_webinar):
        webinar = make_webinar()
        given = {"name": "Ольга", "username": "olga@example.ru", "password": PASSWORD, "consent": "on"}
        with CaptureQueriesContext(connection) as queries:
            assert Client().post("/signup/", given | {"webinar": webinar.pk}).status_code == 302
        assert sum(query["sql"].startswith(BEGINS) for query in queries) == 1
        assert Session.objects.get().person.seats.get().webinar == webinar

    def test_login_begins_one(self, make_person):
        person = make_person(password=PASSWORD)
        with CaptureQueriesContext(connection) as queries:
            assert log_in(Client(), person.login).status_code == 302
        assert sum(query["sql"].startswith(BEGINS) for query in queries) == 1
        assert Session.objects.get().person == person


class TestSessionStore:
    def test_new_session_is_stored_once(self):
        session = SessionStore()
        session["a"] = 1
        session.cycle_key()
        with CaptureQueriesContext(connection) as queries:
            session.save()
            session.save()
        assert sum(query["sql"].startswith("INSERT") for query in queries) == 1
        assert not any(query["sql"].startswith(("SELECT", "UPDATE")) for query in queries)
        assert SessionStore(session.session_key)["a"] == 1

    def test_later_change_is_stored(self):
        session = SessionStore()
        session["list"] = [1]
        session.save()
        session["list"].append(2)
        session.save()
        assert SessionStore(session.session_key)["list"] == [1, 2]

    def test_taken_key_is_replaced(self, monkeypatch):
        taken = SessionStore()
        taken.save()
        keys = iter([taken.session_key, "n" * 32])
        monkeypatch.setattr(SessionStore, "_get_new_session_key", lambda _self: next(keys))
        session = SessionStore()
        session.save()
        assert session.session_key == "n" * 32

    def test_stored_session_gets_a_new_key(self):
        session = SessionStore()
        session["a"] = 1
        session.save()
        before = session.session_key
        session.cycle_key()
        session.save()
        assert session.session_key != before
        assert not SessionStore().exists(before)
        assert SessionStore(session.session_key)["a"] == 1


def test_login_forgets_wrong_passwords(make_person):
    person, client = make_person(password=PASSWORD), Client()
    log_in(client, person.login, "wrong")
    assert AccessAttempt.objects.filter(username=person.login).exists()
    log_in(client, person.login)
    assert not AccessAttempt.objects.exists()
