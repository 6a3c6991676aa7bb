"""How soon the last of many viewers hears of a change: taken-over connections against plain ASGI.

The peer is Efir's own fallback, a coroutine a viewer on stock uvicorn, in the same run with the same client.
"""

from __future__ import annotations

import asyncio
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import django
import httpx

django.setup()

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY  # noqa: E402  # after setup
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.contrib.sessions.models import Session  # noqa: E402
from django.core.management import call_command  # noqa: E402

from benchmarks.tables import median, table  # noqa: E402
from efir import clock  # noqa: E402
from efir.accounts.capabilities import Role  # noqa: E402
from efir.accounts.models import Group, Membership, Person  # noqa: E402
from efir.hooks.actions import Context, Source  # noqa: E402
from efir.webinars import core  # noqa: E402
from efir.webinars.models import Webinar  # noqa: E402

VIEWERS = 2000
CHANGES = 7
PORT = 8599
SYSTEM = Context(None, Source.SYSTEM)
PLAIN = (
    "import django; django.setup(); import efir.ops.server as s, sys\n"
    "from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol\n"
    "s.LineProtocol = HttpToolsProtocol\n"
    "from efir.ops.cli import main; sys.exit(main(['web']))"
)
VERSION = re.compile(rb'"version":(\d+)')


def main() -> None:
    """Print the table for this process's database."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, VIEWERS * 2 + 1000), hard))
    call_command("migrate", verbosity=0)
    cookies = _sessions()
    rows = []
    for name, command in (
        ("taken over (Efir's server)", ["-m", "efir.ops.cli", "web"]),
        ("plain ASGI, a coroutine a viewer (peer)", ["-c", PLAIN]),
    ):
        server = subprocess.Popen([sys.executable, *command], env=os.environ | {"EFIR_PORT": str(PORT)})
        try:
            rows.append((name, *asyncio.run(_measure(cookies, server.pid))))
        finally:
            server.terminate()
            server.wait(30)
    table(
        f"A change reaches {VIEWERS} viewers of one process: medians of {CHANGES} changes",
        ["stream", "last after the first, ms", "first after the change, ms", "kB a viewer"],
        rows,
    )


def _sessions() -> list[str]:
    """So many candidates who are logged in; their session cookies."""
    people = Person.objects.bulk_create(
        [Person(login=f"v{n}", name=f"v{n}", password="!") for n in range(VIEWERS)]
    )
    group = Group.objects.get(name=Role.CANDIDATE)
    Membership.objects.bulk_create([Membership(person=person, group=group) for person in people])
    store, sessions = SessionStore(), []
    for person in people:
        data = {
            SESSION_KEY: str(person.pk),
            BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
            HASH_SESSION_KEY: person.get_session_auth_hash(),
        }
        sessions.append(
            Session(
                session_key=store._get_new_session_key(),
                session_data=store.encode(data),
                expire_date=clock.now() + timedelta(days=1),
            )
        )
    Session.objects.bulk_create(sessions)
    return [session.session_key for session in sessions]


async def _measure(cookies: Sequence[str], pid: int) -> tuple[float, float, float]:
    webinar = await asyncio.to_thread(_live_webinar)
    await _until_up()
    before = _rss_kb(pid)
    heard: dict[int, list[float]] = {}
    viewers = [asyncio.create_task(_view(webinar.pk, cookie, heard)) for cookie in cookies]
    while len(heard.get(webinar.version, [])) < VIEWERS:
        await asyncio.sleep(0.05)
    await asyncio.sleep(2)  # the count of viewers has come to rest
    first, last = [], []
    for number in range(CHANGES):
        version = webinar.version + number + 1
        asked = time.monotonic()
        await asyncio.to_thread(core.core_webinar_set_cta_visibility, webinar.pk, number % 2 == 0, SYSTEM)
        while len(heard.get(version, [])) < VIEWERS:
            await asyncio.sleep(0.005)
        # From the first viewer on: how the process heard of the change is another matter.
        first.append((heard[version][0] - asked) * 1000)
        last.append((heard[version][-1] - heard[version][0]) * 1000)
    cost = (_rss_kb(pid) - before) / VIEWERS
    for viewer in viewers:
        viewer.cancel()
    await asyncio.gather(*viewers, return_exceptions=True)
    return median(last), median(first), cost


def _live_webinar() -> Webinar:
    webinar = core.create(
        {"title": "x", "starts_at": clock.now(), "player_url": "https://rutube.ru/x"}, SYSTEM
    )
    core.publish(webinar.pk, SYSTEM)
    return core.core_webinar_set_status(webinar.pk, "start", SYSTEM)


async def _until_up() -> None:
    async with httpx.AsyncClient() as client:
        while True:
            try:
                await client.get(f"http://127.0.0.1:{PORT}/healthz")
            except httpx.TransportError:
                await asyncio.sleep(0.1)
            else:
                return


async def _view(webinar_id: int, cookie: str, heard: dict[int, list[float]]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    path = f"/account/webinar_room/{webinar_id}/stream"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: sessionid={cookie}\r\n\r\n".encode())
    seen = 0
    try:
        while line := await reader.readline():
            if (match := VERSION.search(line)) and int(match[1]) > seen:
                seen = int(match[1])
                heard.setdefault(seen, []).append(time.monotonic())
    finally:
        writer.close()


def _rss_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


if __name__ == "__main__":
    main()
