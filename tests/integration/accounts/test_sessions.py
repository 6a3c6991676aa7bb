"""Sessions: stored once, in the transaction of the login or sign-up."""

from __future__ import annotations

from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from axes.utils import reset
from django.contrib.auth import BACKEND_SESSION_KEY, SESSION_KEY, login
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from efir.accounts.capabilities import Capability, Role, can
from efir.accounts.models import Person, Session
from efir.accounts.roles import assign_role
from efir.accounts.sessions import BACKEND, SessionPersonMiddleware, SessionStore
from efir.lib import clock

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


class TestPersonOfTheSession:
    """Session, person and capabilities come from one query, and are true at every request."""

    def test_needs_one_query(self, make_person, rf, django_assert_num_queries):
        person = make_person(Role.PARTNER)
        request = self.request(rf, person)
        with django_assert_num_queries(1):
            assert request.user == person
            assert can(request.user, Capability.SEE_OWN_CANDIDATES)
            assert not can(request.user, Capability.EDIT_WEBINAR)
            assert request.user.role == Role.PARTNER

    def test_person_has_every_field(self, make_person, rf):
        person = make_person()
        person.refresh_from_db()
        found = self.request(rf, person).user
        assert {f.attname: getattr(found, f.attname) for f in Person._meta.concrete_fields} == {
            f.attname: getattr(person, f.attname) for f in Person._meta.concrete_fields
        }

    def test_next_request_sees_a_change(self, make_person, rf):
        person = make_person()
        key = self.request(rf, person).session.session_key
        assign_role(person, Role.SPEAKER)
        Person.objects.filter(pk=person.pk).update(name="Другое имя")
        user = self.request(rf, key=key).user
        assert (user.role, user.name) == (Role.SPEAKER, "Другое имя")

    @pytest.mark.parametrize("change", ["password", "closed", "expired", "other person", "backend"])
    def test_session_that_has_ended_is_a_guests(self, make_person, rf, change):
        person = make_person()
        session = self.request(rf, person).session
        if change == "password":
            person.set_password("another-password-2026")
            person.save()
        elif change == "closed":
            Person.objects.filter(pk=person.pk).update(is_active=False)
        elif change == "expired":
            Session.objects.update(expire_date=clock.now() - timedelta(seconds=1))
        elif change == "other person":
            Session.objects.update(person=make_person())
            session[SESSION_KEY] = str(person.pk + 1000)
            Session.objects.update(session_data=session.encode(dict(session.items())))
        else:
            session[BACKEND_SESSION_KEY] = "elsewhere.Backend"
            session.save()
        assert self.request(rf, key=session.session_key).user.is_anonymous

    @staticmethod
    def request(rf, person=None, key=""):
        request = rf.get("/account/")
        if person:
            store = SessionStore()
            request.session = store
            login(request, person, backend=BACKEND)
            store.save()
            key = store.session_key
        request.session = SessionStore(key)
        SessionPersonMiddleware(lambda _: None).process_request(request)
        return request


def test_login_forgets_wrong_passwords(make_person):
    person, client = make_person(password=PASSWORD), Client()
    log_in(client, person.login, "wrong")
    assert AccessAttempt.objects.filter(username=person.login).exists()
    log_in(client, person.login)
    assert not AccessAttempt.objects.exists()
