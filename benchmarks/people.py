"""Who takes part in a benchmark: people, their sessions, and a speaker who presses the buttons."""

from __future__ import annotations

from collections.abc import Sequence
from http.client import HTTPConnection
from importlib import import_module
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
from efir.webinars import core
from efir.webinars.models import Webinar

SYSTEM = Context(None, Source.SYSTEM)
CSRF = "b" * 32


def enrol(count: int, role: Role = Role.CANDIDATE, prefix: str = "v", **fields: Any) -> list[Person]:
    """So many people of one role, without passwords."""
    people = Person.objects.bulk_create(
        [Person(login=f"{prefix}{n}", name=f"{prefix}{n}", password="!", **fields) for n in range(count)]
    )
    group = Group.objects.get(name=role)
    Membership.objects.bulk_create([Membership(person=person, group=group) for person in people])
    return people


def log_in(people: Sequence[Person]) -> list[str]:
    """Log these people in, past the log-in page; the Cookie header of each."""
    engine = import_module(settings.SESSION_ENGINE)
    sessions = []
    for person in people:
        store = engine.SessionStore(get_random_string(32, VALID_KEY_CHARS))
        sessions.append(
            store.create_model_instance(
                {
                    SESSION_KEY: str(person.pk),
                    BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[-1],
                    HASH_SESSION_KEY: person.get_session_auth_hash(),
                }
            )
        )
    engine.SessionStore.get_model_class().objects.bulk_create(sessions, batch_size=500)
    return [f"{settings.SESSION_COOKIE_NAME}={session.session_key}" for session in sessions]


def scheduled_webinar() -> Webinar:
    """A published webinar with a player."""
    fields = {"title": "Эфир", "starts_at": clock.now(), "player_url": "https://rutube.ru/video/1"}
    return core.publish(core.create(fields, SYSTEM).pk, SYSTEM)


def live_webinar() -> Webinar:
    """One that is on air."""
    return core.core_webinar_set_status(scheduled_webinar().pk, "start", SYSTEM)


def room_page(webinar: Webinar) -> str:
    """The path of the room's page."""
    return f"/account/webinar_room/{webinar.pk}/"


def room_stream(webinar: Webinar) -> str:
    """The path of the room's stream."""
    return f"/account/webinar_room/{webinar.pk}/stream"


class Speaker:
    """Presses the speaker's buttons over a connection that is there already, as their page does."""

    def __init__(self, webinar: Webinar, port: int, cookie: str) -> None:
        self.version = webinar.version
        self._cta = webinar.cta_visible
        self._path = f"/admin_webinar/{webinar.pk}"
        self._http = HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {
            "Cookie": f"{cookie}; csrftoken={CSRF}",
            "X-CSRFToken": CSRF,
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
        }

    def get_ready(self) -> str:
        """Connect; how the message about the next change tells itself from those before."""
        self._http.close()  # an idle connection is closed by the server after a few seconds
        self._http.connect()
        return f'"version":{self.version + 1},'

    def turn_cta(self) -> None:
        """Show the call-to-action where it was hidden, and the other way round."""
        self._cta = not self._cta
        self.press("cta", visible=str(self._cta).lower())

    def press(self, button: str, **fields: str) -> None:
        """Press one button, which must change something."""
        self._http.request("POST", f"{self._path}/{button}", urlencode(fields), self._headers)
        answer = self._http.getresponse()
        body = answer.read()
        if answer.status != 200 or f'"version": {self.version + 1},'.encode() not in body:
            raise RuntimeError(f"{button}: {answer.status} {body[:300]!r}")
        self.version += 1
