"""Fill and serve one installation: `python -m tools.screenshots.serve FIXTURE`.

Prints the fields of `Installation` as a line of JSON once it listens.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import NoReturn

import uvloop
from django.db import OperationalError
from django.http import HttpRequest

from efir.lib import clock
from tools.screenshots.state import LATE, NOW


def main(fixture: str) -> None:
    """Fill the database of EFIR_DATA_DIR and serve it until terminated."""
    from efir.demo.environment import prepare

    prepare(os.environ)

    import django

    django.setup()

    from django.conf import settings
    from django.core.management import call_command
    from django.urls import path

    from efir import urls
    from efir.server.web import listen
    from efir.web import staticfiles
    from tools.screenshots.fixtures import FIXTURES

    urls.urlpatterns += [path("broken/", broken), path("unavailable/", unavailable)]
    call_command("migrate", verbosity=0)
    staticfiles.collect()
    with clock.replaced(lambda: NOW):
        values = FIXTURES[fixture]()
        listening = listen(settings.EFIR.host, settings.EFIR.port)
        print(json.dumps({"values": values, "sessions": _sessions()}), flush=True)
        uvloop.run(_serve(listening))


def broken(_request: HttpRequest) -> NoReturn:
    """Fail as a bug does."""
    raise RuntimeError("this page always fails")


def unavailable(_request: HttpRequest) -> NoReturn:
    """Fail as a full disk does."""
    raise OperationalError("database or disk is full")


async def _serve(listening: object) -> None:
    from efir.demo import site
    from efir.server.web import serve_web

    await serve_web(site.make_application(), listening, asyncio.Event())


def _sessions() -> dict[str, str]:
    """Create a session for each person. Return the session keys by login; only LATE is asked for the password again."""
    from django.contrib.auth import BACKEND_SESSION_KEY

    from efir.accounts.models import Person
    from efir.accounts.recent_login import mark_recent
    from efir.accounts.sessions import BACKEND, new_session

    sessions = {}
    for person in Person.objects.all():
        session = new_session(person)
        session[BACKEND_SESSION_KEY] = BACKEND
        session["device"] = "Firefox, Linux"
        if person.login != LATE:
            mark_recent(session)
        session.create()
        sessions[person.login] = session.session_key
    return sessions


if __name__ == "__main__":
    main(sys.argv[1])
