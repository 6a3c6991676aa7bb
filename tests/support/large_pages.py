"""Every page that somebody can open on a large site, and what one request costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from asgiref.sync import async_to_sync
from django.core.cache import cache
from django.db import connection
from django.http import HttpResponseBase
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.support.large_site import LargeSite

DEEPEST = 99_999  # any page beyond the last shows the last

# Who opens it, and its address.
PAGES: tuple[tuple[str, str], ...] = (
    ("", "/"),
    ("", "/webinars/"),
    ("candidate", "/webinars/"),
    ("", "/webinars/calendar.ics"),
    ("", "/webinars/{scheduled}/calendar.ics"),
    ("", "/login/"),
    ("", "/login/forgotten/"),
    ("", "/signup/?ref={ref}"),
    ("", "/consent/"),
    ("", "/offline/"),
    ("", "/offline.js"),
    ("candidate", "/account/"),
    ("partner", "/account/"),
    ("partner", "/account/?candidates={deepest}"),
    ("partner", "/account/?show=seat&candidates={deepest}"),
    ("partner", "/account/?show=absent&candidates={deepest}"),
    ("partner", "/account/?who=имя+lead&candidates={deepest}"),
    ("partner", "/account/?who=candidate"),
    ("leader", "/account/"),
    ("candidate", "/account/webinars/"),
    ("candidate", "/account/webinars/?page={deepest}"),
    ("candidate", "/account/password/"),
    ("candidate", "/account/security/"),
    ("", "/login/code/"),
    ("admin", "/account/second_factor/"),
    ("candidate", "/account/contacts/"),
    ("candidate", "/account/data/"),
    ("partner", "/account/data/"),
    ("admin", "/account/data/"),
    ("partner", "/account/candidates/{candidate}/"),
    ("partner", "/account/candidates/{candidate}/?page={deepest}"),
    ("admin", "/account/people/"),
    ("admin", "/account/people/?page={deepest}"),
    ("admin", "/account/people/?q=lead&page={deepest}"),
    ("admin", "/account/audit/"),
    ("admin", "/account/audit/?page={deepest}"),
    ("admin", "/account/audit/?person=admin@example.org&page={deepest}"),
    ("admin", "/account/audit/?webinar={finished}&page={deepest}"),
    ("admin", "/account/audit/?action=verdict_decided&page={deepest}"),
    ("admin", "/account/audit/?action=consent_given&page={deepest}"),
    ("admin", "/account/audit/?since=2020-01-01&until=2099-01-01&page={deepest}"),
    ("candidate", "/account/webinar_room/"),
    ("candidate", "/account/webinar_room/{live}/"),
    ("candidate", "/account/webinar_room/{finished}/"),
    ("candidate", "/account/webinar_room/{scheduled}/"),
    ("candidate", "/account/webinar_room/{live}/people"),
    ("candidate", "/account/webinar_room/{live}/people?page={deepest}"),
    ("candidate", "/account/webinar_room/{live}/messages"),
    ("speaker", "/account/webinar_room/{live}/messages"),
    ("candidate", "/api/webinars/{live}/state"),
    ("", "/api/openapi.json"),
    ("speaker", "/admin_webinar/"),
    ("speaker", "/admin_webinar/?page={deepest}"),
    ("speaker", "/admin_webinar/new/"),
    ("speaker", "/admin_webinar/{draft}/"),
    ("admin", "/admin_webinar/{scheduled}/"),
    ("admin", "/admin_webinar/{live}/"),
    ("speaker", "/admin_webinar/{finished}/"),
    ("admin", "/admin_webinar/{finished}/"),
    ("admin", "/admin_webinar/{finished}/?verdicts={deepest}&messages={deepest}"),
    ("admin", "/admin_webinar/{finished}/?verdict=held&state=failed&verdicts={deepest}&messages={deepest}"),
    ("admin", "/admin_webinar/{finished}/?who=lead&verdicts={deepest}"),
    ("admin", "/admin_webinar/{finished}/verdicts.csv"),
    ("admin", "/admin_webinar/{finished}/presence.csv"),
    ("speaker", "/admin_webinar/{live}/questions.csv"),
    ("speaker", "/admin_webinar/{live}/talk.csv"),
    ("speaker", "/admin_webinar/{live}/talk/"),
    ("speaker", "/admin_webinar/{scheduled}/studio/"),
    ("speaker", "/admin_webinar/{live}/studio/"),
    ("speaker", "/admin_webinar/{live}/recording"),
    ("speaker", "/account/webinar_room/{live}/playback"),
    ("admin", "/account/site/"),
    ("", "/site/theme/4a3fd6.css"),
    ("", "/healthz"),
    ("", "/healthz/web"),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one request cost: queries, processor and time in seconds, and the bytes of the answer or its first part."""

    queries: int
    cpu_s: float
    took_s: float
    size: int
    status: int


def addresses(site: LargeSite) -> dict[str, str]:
    """Return the values of the placeholders in `PAGES`."""
    return {
        "deepest": str(DEEPEST),
        "ref": site.partner.ref_code,
        "candidate": str(site.candidate.pk),
        **{name: str(getattr(site, name).pk) for name in ("scheduled", "live", "finished", "draft")},
    }


def visitors(site: LargeSite) -> Callable[[str], Client]:
    """Return a function that gives the client of a visitor, logged in."""
    clients: dict[str, Client] = {}

    def client_of(name: str) -> Client:
        if name not in clients:
            client = clients[name] = Client()
            if name:
                client.force_login(getattr(site, name))
        return clients[name]

    return client_of


def count_queries(client: Client, address: str) -> int:
    """Open the address, and return how many queries it made."""
    with CaptureQueriesContext(connection) as queries:
        _open(client, address)
    return len(queries)


def measure(client: Client, address: str) -> Cost:
    """Open the address once to warm it, once to count its queries, and once to time it."""
    _open(client, address)
    count = count_queries(client, address)
    cpu, started = time.process_time(), time.perf_counter()
    status, size = _open(client, address)
    return Cost(count, time.process_time() - cpu, time.perf_counter() - started, size, status)


def _open(client: Client, address: str) -> tuple[int, int]:
    cache.clear()  # the limits of requests, and figures that only the second visitor finds ready
    response: Any = client.get(address)
    return response.status_code, len(_first_part(response))


def _first_part(response: HttpResponseBase) -> bytes:
    """Return the whole answer, or of a stream the header and the first rows."""
    if not response.streaming:
        return bytes(response.content)  # type: ignore[attr-defined]  # as it is not streamed

    async def first_parts() -> bytes:
        parts = b""
        async for part in response:  # type: ignore[attr-defined]  # as it is streamed
            if parts:
                return parts + part
            parts += part
        return parts

    return bytes(async_to_sync(first_parts)())
