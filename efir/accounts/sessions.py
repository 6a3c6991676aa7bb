"""Sessions with their person in a column, and the person and context of a request."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user, login
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import VALID_KEY_CHARS
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare, get_random_string
from django.utils.functional import SimpleLazyObject

from efir.accounts import devices
from efir.accounts.access_changes import note_change
from efir.accounts.models import Person, Session
from efir.hooks.actions import Context, Source
from efir.lib import clock
from efir.lib.compiled_query import CompiledQuery, Parameter, columns_of, object_from
from efir.web.client_ip import request_ip

# Of the keys that Django makes, from letters and digits.
KEY_LENGTH = 32
BACKEND = "django.contrib.auth.backends.ModelBackend"
# The list of open sessions shows the day of the last use: an hour is exact enough, and one write an hour costs little.
STORE_USE_EVERY = timedelta(hours=1)
_DEVICE = "device"


def _visits() -> QuerySet[Session, tuple[Any, ...]]:
    """Return a row for each permission of the person: session, person, group and permission."""
    key = Parameter("key", Session, "session_key")
    now = Parameter("now", Session, "expire_date")
    return Session.objects.filter(session_key=key, expire_date__gt=now).values_list(
        *columns_of(Session),
        *columns_of(Person, "person__"),
        "person__groups__name",
        "person__groups__permissions__content_type__app_label",
        "person__groups__permissions__codename",
    )


_VISITS = CompiledQuery(_visits)


def is_key(text: str) -> bool:
    """Return whether this can be a session key. A cookie can contain anything, even NUL, which PostgreSQL refuses."""
    return len(text) == KEY_LENGTH and text.isascii() and text.isalnum()


class SessionStore(db.SessionStore):
    """Django's database sessions, each with its person in a column. A new one is stored once, with all its data."""

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key if is_key(session_key or "") else None)
        self._stored: dict[str, Any] | None = None  # what this object has saved
        self.person: Person | None = None  # as it was when the session was loaded

    def _get_session_from_db(self) -> Session | None:
        # Nearly every page asks for the person and their capabilities next, so one query reads everything.
        rows = _VISITS.rows(key=self.session_key, now=clock.now()) if self.session_key else []
        if not rows:
            self._session_key = None
            return None
        width = len(columns_of(Session))
        session = object_from(Session, rows[0][:width])
        if session.person_id:
            self.person = object_from(Person, rows[0][width:-3])
            self.person.set_permissions(row[-3:] for row in rows)
            if is_use_stale(session.used_at):
                note_use([session.session_key])
        return session

    def cycle_key(self) -> None:
        # Django would store a session without a key here, empty, and again after the view.
        if self.session_key:
            super().cycle_key()
        else:
            self.modified = True

    def save(self, must_create: bool = False) -> None:
        # A view saves the session in its transaction, and Django's middleware saves it again after the view.
        if self.session_key and not must_create and self._stored == dict(self.items()):
            return
        super().save(must_create)
        self._stored = deepcopy(dict(self.items()))

    def _get_new_session_key(self) -> str:
        # Not looked up first: the insert fails if the key is taken, and `create` tries another one.
        return get_random_string(KEY_LENGTH, VALID_KEY_CHARS)

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        session: Session = super().create_model_instance(data)  # type: ignore[assignment]  # of the model above
        session.person_id = int(data[SESSION_KEY]) if SESSION_KEY in data else None
        session.device, session.used_at = data.get(_DEVICE, ""), clock.now()
        return session

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        with transaction.atomic():
            person_ids = Session.objects.filter(session_key=key).values_list("person_id", flat=True)
            person_id = person_ids.first()
            super().delete(key)
            if person_id:
                note_change([person_id])


class SessionPersonMiddleware(AuthenticationMiddleware):
    """Django's middleware, but with the person that was read in one query with the session."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        request.user = SimpleLazyObject(lambda: _session_person(request))  # type: ignore[assignment]  # lazy, as Django has it


def _session_person(request: HttpRequest) -> Person | AnonymousUser:
    session = request.session
    own_id, key_hash = session.get(SESSION_KEY), session.get(HASH_SESSION_KEY, "")
    person = session.person if isinstance(session, SessionStore) else None
    if (
        person
        and person.is_active
        and str(person.pk) == own_id
        and session.get(BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS
        and constant_time_compare(key_hash, person.get_session_auth_hash())
    ):
        return person
    # A guest, or a session that has ended: Django throws it away.
    return get_user(request)


def new_session(person: Person) -> SessionStore:
    """Return a session, not stored yet, in which the person is logged in."""
    session = SessionStore()
    session[SESSION_KEY], session[HASH_SESSION_KEY] = str(person.pk), person.get_session_auth_hash()
    return session


def start_session(request: HttpRequest, person: Person) -> None:
    """Log the person in, and store the session in the same transaction as the time of the login."""
    with transaction.atomic(savepoint=False):
        login(request, person, backend=BACKEND)
        request.session[_DEVICE] = devices.describe(request.headers.get("user-agent", ""))
        request.session.save()


def is_use_stale(used_at: datetime | None) -> bool:
    """Return whether the stored time of use is out of date."""
    # Of a time in the future: the clock was set back.
    return used_at is None or abs(clock.now() - used_at) >= STORE_USE_EVERY


def note_use(session_keys: Iterable[str]) -> None:
    """Record that these sessions are used now. Ignore a database that is read-only: pages are served anyway."""
    with suppress(DatabaseError), transaction.atomic():
        Session.objects.filter(session_key__in=list(session_keys)).update(used_at=clock.now())


def other_sessions(request: HttpRequest) -> QuerySet[Session]:
    """Return the person's sessions except this one, including those that a new password has made invalid."""
    own = Session.objects.filter(person=current_person(request))
    return own.exclude(session_key=request.session.session_key)


def end_other_sessions(request: HttpRequest) -> None:
    """Log the person out everywhere else; every process closes its streams of these sessions."""
    with transaction.atomic():
        other_sessions(request).delete()
        note_change([current_person(request).pk])


def current_person(request: HttpRequest) -> Person:
    """Return the logged-in person. Raises PermissionDenied for a guest."""
    if not isinstance(request.user, Person):
        raise PermissionDenied
    return request.user


def request_context(request: HttpRequest) -> Context:
    """Return the context of an action from the web: the logged-in person, now, with their IP address."""
    return Context(current_person(request).pk, Source.WEB, address=request_ip(request))
