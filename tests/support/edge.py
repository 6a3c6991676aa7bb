"""Efir's ASGI application in the test's own process: requests to the edge and to Django behind it."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from efir.edge.application import EdgeApplication
from efir.room import hub as hub_module
from efir.web.asgi_handler import OneThreadHandler


class Answer:
    """The response to one request."""

    def __init__(self, messages):
        self.status = messages[0]["status"]
        self.headers = {name.lower().decode(): value.decode() for name, value in messages[0]["headers"]}
        self.body = b"".join(message.get("body", b"") for message in messages[1:])

    @property
    def text(self) -> str:
        packed = self.headers.get("content-encoding") == "gzip"
        return (gzip.decompress(self.body) if packed else self.body).decode()


class Site:
    """Efir's application with an open hub; counts the requests that reach Django."""

    def __init__(self) -> None:
        self.hub = hub_module.open_hub()
        self.by_django = 0
        self._django = OneThreadHandler()
        self.edge = EdgeApplication(self._counted)

    def handler(self, route):
        return next(each.handler for each in self.edge.routes if each.name == route)

    async def _counted(self, scope, receive, send):
        self.by_django += 1
        await self._django(scope, receive, send)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the hub, which hears of changes in this process."""
        running = asyncio.create_task(self.hub.run())
        await asyncio.sleep(0)
        yield
        self.hub.close()
        await running

    async def get(self, path, key="", method="GET", **asked) -> Answer:
        """Return the answer of the edge, or of Django behind it. `asked`: `query`, `cookies`, and headers."""
        return await ask(self.edge, path, key, method, **asked)

    async def plain(self, path, key="", method="GET", **asked) -> Answer:
        """Return the answer of Django, without the edge."""
        return await ask(self._django, path, key, method, **asked)


async def ask(application, path, key, method, *, query=b"", cookies="", **headers) -> Answer:
    """Make one request without a body to an ASGI application."""
    sent: list[dict] = []
    messages = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive():
        return next(messages, None) or await asyncio.Future()

    async def send(message):
        sent.append(message)

    cookie = "; ".join(filter(None, [f"sessionid={key}" if key else "", cookies]))
    named = {"host": "localhost", "accept": "text/html", **({"cookie": cookie} if cookie else {})}
    fields = {name.replace("_", "-"): value for name, value in (named | headers).items()}
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
        "extensions": {},
    }
    await application(scope, receive, send)
    return Answer(sent)


def token_of(page: str) -> str:
    """Return the form token of a page, which all its forms have."""
    (token,) = set(re.findall(r'name="csrfmiddlewaretoken" value="(\w{64})"', page))
    return token


def without_token(page: str) -> str:
    return page.replace(token_of(page), "")
