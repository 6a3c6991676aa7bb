"""The ASGI application: the room's stream first, Django for the rest."""

from __future__ import annotations

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "efir.settings")
django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402  # after setup

from efir.room.stream import PATH, Receive, Scope, Send, stream  # noqa: E402

_django = get_asgi_application()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """One request. The server opens and closes the rooms itself, so there is no lifespan here."""
    if scope["type"] == "http" and (match := PATH.fullmatch(scope["path"])):
        await stream(scope, receive, send, int(match[1]))
    else:
        await _django(dict(scope), receive, send)
