"""The people of a benchmark: accounts, sessions, and a speaker who presses buttons."""

from __future__ import annotations

from collections.abc import Sequence
from http.client import HTTPConnection
from importlib import import_module
from itertools import cycle
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import VALID_KEY_CHARS
from django.utils.crypto import get_random_string

from efir.accounts.capabilities import Role
from efir.accounts.models import Group, Membership, Person
from efir.hooks.actions import Context, Source
from efir.lib import clock
from efir.room.models import Opening
from efir.webinars import core
from efir.webinars.models import Webinar

SYSTEM = Context(None, Source.SYSTEM)
CSRF = "b" * 32
# Which a browser has from its first page with a form on.
CSRF_COOKIE = f"{settings.CSRF_COOKIE_NAME}={CSRF}"
PLAYER_URL = "https://rutube.ru/video/1"
BATCH = 5000


def create_people(
    count: int,
    role: Role = Role.CANDIDATE,
    prefix: str = "v",
    inviters: Sequence[Person | None] = (None,),
    **fields: Any,
) -> list[Person]:
    """Create people of one role, without passwords; `inviters` invite them in turns."""
    people = [
        Person(login=f"{prefix}{n}", name=f"{prefix}{n}", password="!", invited_by=inviter, **fields)
        for n, inviter in zip(range(count), cycle(inviters), strict=False)
    ]
    people = Person.objects.bulk_create(people, batch_size=BATCH)
    group = Group.objects.get(name=role)
    members = [Membership(person=person, group=group) for person in people]
    Membership.objects.bulk_create(members, batch_size=BATCH)
    return people


def log_in(people: Sequence[Person]) -> list[str]:
    """Create a session for each person. Return their Cookie headers, as browsers with form tokens send them."""
    engine = import_module(settings.SESSION_ENGINE)
    sessions = []
    for person in people:
        store = engine.SessionStore(get_random_string(32, VALID_KEY_CHARS))
        data = {
            SESSION_KEY: str(person.pk),
            BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[-1],
            HASH_SESSION_KEY: person.get_session_auth_hash(),
        }
        sessions.append(store.create_model_instance(data))
    engine.SessionStore.get_model_class().objects.bulk_create(sessions, batch_size=500)
    return [f"{settings.SESSION_COOKIE_NAME}={session.session_key}; {CSRF_COOKIE}" for session in sessions]


def scheduled_webinar(title: str = "Эфир") -> Webinar:
    """Create a published webinar with a player."""
    fields = {"title": title, "starts_at": clock.now(), "player_url": PLAYER_URL}
    return core.publish(core.create(fields, SYSTEM).pk, SYSTEM)


def live_webinar() -> Webinar:
    """Create a webinar that is live."""
    return core.core_webinar_set_status(scheduled_webinar().pk, "start", SYSTEM)


def live_own_webinar() -> Webinar:
    """Create a webinar with an own broadcast that is live."""
    webinar = core.create({"title": "Эфир", "starts_at": clock.now(), "video": "own"}, SYSTEM)
    core.publish(webinar.pk, SYSTEM)
    return core.core_webinar_set_status(webinar.pk, "start", SYSTEM)


def room_page(webinar: Webinar) -> str:
    """Return the path of the room's page."""
    return f"/account/webinar_room/{webinar.pk}/"


def room_stream(webinar: Webinar) -> str:
    """Return the path of the room's stream, as a page that plays the broadcast opens it."""
    return f"{room_page(webinar)}stream?watching=1"


def open_broadcast(webinar: Webinar, people: Sequence[Person]) -> None:
    """Record that these people opened the broadcast, so that they can be watching."""
    openings = [Opening(webinar=webinar, person=person, opened_at=clock.now()) for person in people]
    Opening.objects.bulk_create(openings, batch_size=BATCH)


class Speaker:
    """Presses the speaker's buttons over an open connection, as their page does."""

    def __init__(self, webinar: Webinar, port: int, cookie: str) -> None:
        self.version = webinar.version
        self._cta_visible = webinar.cta_visible
        self._path = f"/admin_webinar/{webinar.pk}"
        self._http = HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {
            "Cookie": cookie,
            "X-CSRFToken": CSRF,
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
        }

    def connect(self) -> str:
        """Connect. Return the text by which viewers know the next change."""
        self._http.close()  # the server closes an idle connection after a few seconds
        self._http.connect()
        return f'"version":{self.version + 1},'

    def toggle_cta(self) -> None:
        """Show or hide the call-to-action."""
        self._cta_visible = not self._cta_visible
        self.press("cta", visible=str(self._cta_visible).lower())

    def press(self, button: str, **fields: str) -> None:
        """Press a button. Raises RuntimeError if that changes nothing."""
        self._http.request("POST", f"{self._path}/{button}", urlencode(fields), self._headers)
        answer = self._http.getresponse()
        body = answer.read()
        if answer.status != 200 or f'"version": {self.version + 1},'.encode() not in body:
            raise RuntimeError(f"{button}: {answer.status} {body[:300]!r}")
        self.version += 1
