"""Requests, stopping, and running inside another application."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest

from efir.fake_botapi import FakeBotApi, ResponseKind, running
from tests.unit.fake_botapi.conftest import TOKEN

LONG_S = 40


@pytest.mark.parametrize(
    "request_with",
    [
        {"data": {"chat_id": "7", "text": "Привет, 1+1 & co"}},
        {"params": {"chat_id": "7", "text": "Привет, 1+1 & co"}},
    ],
    ids=["urlencoded", "query"],
)
def test_parameters_come_in_body_or_query(address, request_with):
    answer = httpx.post(f"{address}/bot{TOKEN}/sendMessage", **request_with)
    assert answer.json()["result"]["text"] == "Привет, 1+1 & co"


def test_methods_can_be_called_with_get(address):
    answer = httpx.get(f"{address}/bot{TOKEN}/sendMessage", params={"chat_id": 7, "text": "hi"})
    assert answer.json()["ok"] is True


@pytest.mark.parametrize("path", [f"bot{TOKEN}/sendPigeon", "botx/getMe", "bot42:demo", "", "elsewhere"])
def test_other_paths_are_not_found(address, path):
    answer = httpx.post(f"{address}/{path}")
    assert answer.status_code == 404
    assert answer.json() == {"ok": False, "error_code": 404, "description": "Not Found"}


def test_long_body_is_refused(address):
    answer = httpx.post(f"{address}/bot{TOKEN}/getMe", content=b" " * 1_000_001)
    assert answer.status_code == 413


def test_calls_are_recorded_with_their_outcome(call, fake_bot_api):
    call("sendMessage", chat_id=7, text="hi")
    call("sendMessage", chat_id=9, text="hi")
    call("getPigeon")
    calls = fake_bot_api.calls
    assert [(each.method, each.status, each.description) for each in calls] == [
        ("sendMessage", 200, None),
        ("sendMessage", 400, "Bad Request: chat not found"),
        ("getPigeon", 404, "Not Found"),
    ]
    assert calls[0].params == {"chat_id": "7", "text": "hi"}
    assert "demo" not in str(calls)


def test_call_times_come_from_the_clock():
    ticks = iter(range(1_800_000_000, 1_800_000_100))  # moves each time it is read, and at no other time
    fake_bot_api = FakeBotApi(clock=lambda: float(next(ticks)))
    fake_bot_api.people.add(7, "Anna")
    with running(fake_bot_api) as address:
        for _ in range(2):
            httpx.post(f"{address}/bot{TOKEN}/sendMessage", data={"chat_id": "7", "text": "hi"})
    moments = [moment for call in fake_bot_api.calls for moment in (call.received_at, call.answered_at)]
    assert moments == sorted({moment for moment in moments if moment is not None})
    assert len(moments) == 4


def test_latency_delays_every_call(call, fake_bot_api):
    fake_bot_api.latency_s = 0.05
    assert call("getMe").elapsed.total_seconds() >= 0.05


@pytest.mark.parametrize("hangs", [False, True])
def test_stop_does_not_wait_for_open_calls(fake_bot_api, hangs):
    async def open_call(address: str) -> None:
        async with httpx.AsyncClient(timeout=LONG_S) as client:
            asking = asyncio.ensure_future(client.get(f"{address}/bot{TOKEN}/getUpdates?timeout={LONG_S}"))
            while not (fake_bot_api.is_polling or fake_bot_api.hanging):
                await asyncio.sleep(0)
            fake_bot_api.close()
            answer = await asking
        assert hangs or answer.json() == {"ok": True, "result": []}

    if hangs:
        fake_bot_api.respond_with(kind=ResponseKind.HANG)
    began = time.monotonic()
    with running(fake_bot_api) as address:
        asyncio.run(asyncio.wait_for(open_call(address), LONG_S / 2))
    assert time.monotonic() - began < LONG_S / 2


def test_mounted_application_owns_its_prefix_only():
    mounted = FakeBotApi(prefix="/demo/api/")
    assert mounted.owns("/demo/api/bot42:demo/getMe")
    assert not mounted.owns("/demo/apiary")
    assert FakeBotApi().owns("/anything")
    with running(mounted) as address:
        assert address.endswith("/demo/api")
        assert httpx.get(f"{address}/bot{TOKEN}/getMe").status_code == 200
        outside = address.removesuffix("/demo/api")
        assert httpx.get(f"{outside}/elsewhere/bot{TOKEN}/getMe").status_code == 404
