"""The stand-in as a process of its own and inside of another application."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from efir.fake_botapi import FakeBotApi, serve

TOKEN = "42:demo"
ROOT = Path(__file__).parents[3]


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "efir.fake_botapi", "--store", str(tmp_path / "chats"), "--token", TOKEN]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_the_process_prints_its_address_and_stops_cleanly(process: subprocess.Popen[str]) -> None:
    address = first_line(process)
    assert address.startswith("http://127.0.0.1:")
    assert httpx.get(f"{address}/bot{TOKEN}/getMe").json()["ok"] is True
    assert httpx.get(f"{address}/bot42:other/getMe").status_code == 401
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0


def test_a_waiting_poll_does_not_hold_up_the_stop(process: subprocess.Popen[str]) -> None:
    address = first_line(process)

    async def scenario() -> None:
        async with httpx.AsyncClient(timeout=30) as client:
            poll = asyncio.ensure_future(client.get(f"{address}/bot{TOKEN}/getUpdates?timeout=50"))
            while not (await client.get(f"{address}/control/calls")).json()["result"]:
                pass
            process.send_signal(signal.SIGTERM)
            assert (await poll).json() == {"ok": True, "result": []}

    asyncio.run(scenario())
    assert process.wait(timeout=10) == 0


def test_serve_stops_when_told() -> None:
    async def scenario() -> str:
        stop, addresses = asyncio.Event(), asyncio.Queue[str]()
        serving = asyncio.ensure_future(serve(stop=stop, announce=addresses.put_nowait))
        address = await addresses.get()
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{address}/bot{TOKEN}/getMe")).status_code == 200
        stop.set()
        await serving
        return address

    address = asyncio.run(asyncio.wait_for(scenario(), 20))
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)


def test_a_mounting_application_asks_what_to_hand_over() -> None:
    mounted = FakeBotApi(prefix="/demo/api/")
    assert mounted.owns("/demo/api/bot42:demo/getMe")
    assert not mounted.owns("/demo/apiary")
    assert FakeBotApi().owns("/anything")


def test_lifespan_is_answered() -> None:
    async def scenario() -> list[str]:
        asked = iter(["lifespan.startup", "lifespan.shutdown"])
        answered: list[str] = []

        async def receive() -> dict[str, str]:
            return {"type": next(asked)}

        async def send(message: object) -> None:
            answered.append(message["type"])  # type: ignore[index]

        await FakeBotApi()({"type": "lifespan"}, receive, send)
        return answered

    assert asyncio.run(scenario()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
