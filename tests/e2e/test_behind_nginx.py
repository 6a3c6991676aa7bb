"""The examples of nginx and Caddy, run for real, and a rolling restart behind nginx without interruptions."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.support import caddy, nginx
from tests.support.crowd import create_crowd
from tests.support.nginx import TRUSTING
from tests.support.ports import free_port
from tests.support.site import Site, eventually, fresh_database

on_postgresql = os.environ.get("EFIR_DATABASE_URL", "").startswith("postgres")
NGINX, CADDY = (
    pytest.mark.skipif(not proxy.PROGRAM and not nginx.IN_CI, reason=proxy.MISSING)
    for proxy in (nginx, caddy)
)

VIEWERS = 300
WITHIN_S = 60
# Two Django processes at once on two busy cores.
STARTED_WITHIN_S = 120


@dataclass
class Hall:
    """An installation behind a proxy, and a webinar on air with people in front of it."""

    site: Site
    address: str
    webinar: int
    cookies: list[str]
    csrf: str
    places: list[Site] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def client(self, cookie: str = "", **more: Any) -> httpx.AsyncClient:
        """Return a browser whose requests go through the proxy."""
        headers = {"Cookie": cookie, "Accept": "text/html", "Origin": self.address}
        return httpx.AsyncClient(base_url=self.address, verify=TRUSTING, timeout=30, headers=headers, **more)

    async def press(self, client: httpx.AsyncClient, button: str, **data: str) -> httpx.Response:
        """Press a button as the speaker."""
        headers = {"X-CSRFToken": self.csrf, "Accept": "application/json"}
        return await client.post(f"/admin_webinar/{self.webinar}/{button}", data=data, headers=headers)


def _a_static_file(page: str) -> str:
    found = re.search(r'"(/static/[^"]+\.css)"', page)
    assert found
    return found[1]


@pytest.fixture
def hall(tmp_path, request) -> Iterator[Hall]:
    """`request.param`: which proxy, how many web processes there are and how many candidates."""
    proxy, processes, viewers = request.param
    https = free_port()
    with fresh_database() as url:
        site = Site(
            tmp_path,
            url,
            EFIR_PUBLIC_URL=f"https://localhost:{https}",
            EFIR_TRUSTED_PROXIES="1",
            EFIR_GRACE_S="30",
            EFIR_DRAIN_S="0.5",
        )
        try:
            given = create_crowd(site, viewers)
            places = [site, *(site.beside() for _ in range(processes - 1))]
            if processes == 1:
                site.start()
            else:
                site.start("worker", wait=False)
                for place in places:
                    place.start("web", wait=False)
                eventually(lambda: all(place._is_well() for place in places), within=STARTED_WITHIN_S)
            with proxy.in_front_of([place.port for place in places], https, tmp_path / "proxy") as address:
                yield Hall(site, address, given["webinar"], given["cookies"], given["csrf"], places)
        finally:
            site.stop()


class Tab:
    """A browser's EventSource on the room: it reconnects after a random delay when the stream ends."""

    def __init__(self, hall: Hall, cookie: str) -> None:
        self._hall = hall
        self._request = (
            f"GET /account/webinar_room/{hall.webinar}/stream HTTP/1.1\r\nHost: localhost\r\n"
            f"Accept: text/event-stream\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n"
        ).encode()
        self.state: dict[str, Any] = {}
        self.streams = 0
        self.is_open = False
        self.refused: list[str] = []

    async def run(self) -> None:
        """Watch until the webinar has finished."""
        while self.state.get("status") != "finished":
            try:
                await self._watch()
            except OSError as exc:
                self.refused.append(repr(exc))
            self.is_open = False
            await asyncio.sleep(random.uniform(0.2, 1.5))  # noqa: S311  # jitter

    async def _watch(self) -> None:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self._hall.port, ssl=TRUSTING, server_hostname="localhost"
        )
        try:
            writer.write(self._request)
            status = (await reader.readline()).decode().strip()
            if status != "HTTP/1.1 200 OK":
                return self.refused.append(status)
            self.streams += 1
            while line := await reader.readline():
                if line.startswith(b"data: "):
                    self.state, self.is_open = json.loads(line[6:]), True
        finally:
            writer.close()


async def until(is_so) -> None:
    """Wait for a condition while viewers keep joining and leaving."""
    async with asyncio.timeout(WITHIN_S):
        while not is_so():
            await asyncio.sleep(0.05)


@pytest.mark.skipif(on_postgresql, reason="nothing here is the database's: it runs once, on SQLite")
@pytest.mark.parametrize(
    "hall",
    [
        pytest.param((nginx, 1, 1), marks=NGINX, id="nginx"),
        pytest.param((caddy, 1, 1), marks=CADDY, id="caddy"),
    ],
    indirect=True,
)
def test_the_example_passes_on_what_efir_needs(hall):
    async def scenario() -> None:
        tab = Tab(hall, hall.cookies[0])
        watching = asyncio.create_task(tab.run())
        await until(lambda: tab.is_open)
        async with hall.client(hall.cookies[-1]) as speaker, hall.client() as guest:
            # Not held back in a buffer: each change is there while the stream goes on.
            for visible in (True, False):
                assert (await hall.press(speaker, "cta", visible=str(visible).lower())).status_code == 200
                await until(lambda visible=visible: tab.state["cta_visible"] is visible)
            # A poster of some MB gets as far as Efir, which has its own opinion of it.
            poster = await speaker.post("/admin_webinar/new/", content=b"x" * 9_000_000)
            assert poster.status_code == 403
            # And what no form has is refused in words, not by a connection that breaks.
            form = await guest.post("/login/", content=b"x" * 9_000_000)
            assert form.status_code == 413
            assert "10 МБ" in form.text
            photo = await speaker.post("/admin_webinar/new/", content=b"x" * 30_000_000)
            assert photo.status_code == 413
            # nginx itself refuses what is larger than any poster; Caddy leaves that to Efir.
            assert ("10 МБ" in photo.text) == (photo.headers["server"] != "nginx")
            page = await guest.get("/login/")
            # What Django never sees has it, too.
            for address in (
                "/webinars/",
                "/account/webinar_room/1/stream",
                "/api/nowhere",
                _a_static_file(page.text),
            ):
                headers = (await guest.get(address)).headers
                assert headers["strict-transport-security"] == f"max-age={365 * 24 * 3600}", address
                assert headers["x-content-type-options"] == "nosniff", address
            assert page.headers["set-cookie"].startswith("__Host-csrftoken=")
            assert "Secure" in page.headers["set-cookie"]
            # Only what Django answers has an id.
            by_django = await guest.get("/consent/", headers={"X-Request-ID": "forged-by-a-browser"})
            assert re.fullmatch("[0-9a-f-]{32,36}", by_django.headers["x-request-id"])
            metrics = await guest.get("/metrics", headers={"Host": "localhost"})
            assert metrics.status_code == 404
            assert "x-request-id" not in metrics.headers  # Efir was not even asked
            # Whoever tries a password is known by their own address, whatever they claim.
            forged = {
                "X-Forwarded-For": "203.0.113.77",
                "X-CSRFToken": hall.csrf,
                "Cookie": hall.cookies[0].partition("; ")[2],
            }
            data = {"username": "nobody", "password": "wrong"}
            assert (await guest.post("/login/", data=data, headers=forged)).status_code == 200
            assert hall.site.count("axes_accessattempt WHERE ip_address = '127.0.0.1'") == 1
            await hall.press(speaker, "stop")
        await asyncio.wait_for(watching, WITHIN_S)
        assert (tab.streams, tab.refused) == (1, [])

    asyncio.run(scenario())
    with socket.create_connection(("127.0.0.1", hall.port)) as plain:
        context = nginx.ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, nginx.ssl.CERT_NONE
        context.set_alpn_protocols(["h2", "http/1.1"])
        assert context.wrap_socket(plain, server_hostname="localhost").selected_alpn_protocol() == "h2"


if on_postgresql:

    @NGINX
    @pytest.mark.parametrize("hall", [(nginx, 2, VIEWERS)], indirect=True)
    def test_a_rolling_restart_is_seen_by_no_viewer(hall):
        tabs = [Tab(hall, cookie) for cookie in hall.cookies[:-1]]
        answers: Counter[object] = Counter()

        async def scenario() -> None:
            watching = [asyncio.create_task(tab.run()) for tab in tabs]
            await until(lambda: all(tab.is_open for tab in tabs))
            pages = [asyncio.create_task(fetch(hall, cookie, answers)) for cookie in hall.cookies[:4]]
            pages.append(asyncio.create_task(press(hall, answers)))
            for place, process in zip(hall.places, hall.site.processes[1:], strict=True):
                process.terminate()
                assert await asyncio.to_thread(process.wait, 20) == 0
                place.start("web", wait=False)
                await asyncio.to_thread(eventually, place._is_well, within=STARTED_WITHIN_S)
                await until(lambda: all(tab.is_open for tab in tabs))
            for page in pages:
                page.cancel()
            await asyncio.wait(pages)
            async with hall.client(hall.cookies[-1]) as speaker:
                assert (await hall.press(speaker, "stop")).status_code == 200
            await asyncio.wait_for(asyncio.gather(*watching), WITHIN_S)

        asyncio.run(scenario())
        assert [(tab.refused, tab.state["status"]) for tab in tabs if tab.refused] == []
        assert set(answers) == {200}
        assert answers[200] > 100
        assert sum(tab.streams for tab in tabs) >= 2 * VIEWERS  # all of them, at one time or the other
        verdicts = f"attendance_verdict WHERE webinar_id = {hall.webinar}"
        eventually(lambda: hall.site.count(verdicts) == VIEWERS)
        assert hall.site.count(f"{verdicts} AND reason = 'stayed_to_end'") == VIEWERS

    async def fetch(hall: Hall, cookie: str, answers: Counter[object]) -> None:
        """Open one page after the other, and record each response."""
        room = f"/account/webinar_room/{hall.webinar}/"
        async with hall.client(cookie) as browser:
            while True:
                for path in (room, "/account/", f"/api/webinars/{hall.webinar}/state", "/webinars/"):
                    try:
                        answers[(await browser.get(path)).status_code] += 1
                    except httpx.HTTPError as exc:
                        answers[repr(exc)] += 1
                    await asyncio.sleep(0.1)

    async def press(hall: Hall, answers: Counter[object]) -> None:
        """Show and hide the call-to-action all the time: the proxy must not repeat requests that change something."""
        async with hall.client(hall.cookies[-1]) as speaker:
            while True:
                for visible in ("true", "false"):
                    answers[(await hall.press(speaker, "cta", visible=visible)).status_code] += 1
                    await asyncio.sleep(0.1)
