"""Being told what to answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import count
from typing import Any

import httpx
import pytest

from efir.fake_botapi import FakeBotApi, ScriptedResponse, running

TOKEN = "42:demo"


@pytest.fixture
def fake_bot_api() -> FakeBotApi:
    fake_bot_api = FakeBotApi()
    fake_bot_api.people.add(7, "Anna")
    fake_bot_api.people.add(8, "Boris")
    return fake_bot_api


@pytest.fixture
def client(fake_bot_api: FakeBotApi) -> Iterator[httpx.Client]:
    with running(fake_bot_api) as address, httpx.Client(base_url=address) as client:
        yield client


def send(client: httpx.Client, chat_id: int = 7) -> httpx.Response:
    return client.post(f"/bot{TOKEN}/sendMessage", data={"chat_id": chat_id, "text": "hi"})


def test_a_rule_is_used_up(client: httpx.Client, fake_bot_api: FakeBotApi) -> None:
    fake_bot_api.respond_with(403, method="sendMessage", times=2)
    assert [send(client).status_code for _ in range(3)] == [403, 403, 200]
    assert len(fake_bot_api.sent) == 1


def test_a_rule_without_times_stays_until_cleared(client: httpx.Client, fake_bot_api: FakeBotApi) -> None:
    fake_bot_api.respond_with(500, times=None)
    assert [send(client).status_code for _ in range(3)] == [500] * 3
    fake_bot_api.clear_responses()
    assert send(client).status_code == 200


def test_a_rule_fits_its_method_and_chat_only(client: httpx.Client, fake_bot_api: FakeBotApi) -> None:
    fake_bot_api.respond_with(403, method="sendMessage", chat_id=8)
    assert send(client, 7).status_code == 200
    assert client.get(f"/bot{TOKEN}/getMe").status_code == 200
    assert send(client, 8).json()["description"] == "Forbidden: bot was blocked by the user"


def test_rules_are_used_in_their_order(client: httpx.Client, fake_bot_api: FakeBotApi) -> None:
    for status in (500, 429, 403):
        fake_bot_api.respond_with(status)
    assert [send(client).status_code for _ in range(4)] == [500, 429, 403, 200]


def test_too_many_requests_says_how_long_to_wait(client: httpx.Client, fake_bot_api: FakeBotApi) -> None:
    fake_bot_api.respond_with(429, parameters={"retry_after": 5})
    answer = send(client)
    assert answer.headers["retry-after"] == "5"
    assert answer.json() == {
        "ok": False,
        "error_code": 429,
        "description": "Too Many Requests: retry after 5",
        "parameters": {"retry_after": 5},
    }


def test_rules_come_over_http(client: httpx.Client) -> None:
    rule = {
        "method": "sendMessage",
        "chat_id": 7,
        "times": None,
        "status": 400,
        "description": "Bad Request: no",
    }
    client.post("/control/answers", json=rule)
    assert send(client).json()["description"] == "Bad Request: no"
    assert client.get("/control/answers").json()["result"][0]["status"] == 400
    client.delete("/control/answers")
    assert send(client).status_code == 200


def test_a_senseless_rule_is_refused(client: httpx.Client) -> None:
    senseless: list[dict[str, Any]] = [
        {"status": "403"},
        {"status": 200},
        {"status": 599},
        {"times": 0},
        {"kind": "odd"},
        {"parameters": 1},
        {"official": "odd"},
        {"x": 1},
    ]
    assert {client.post("/control/answers", json=rule).status_code for rule in senseless} == {400}
    assert client.get("/control/answers").json()["result"] == []


def test_a_proxys_page_and_broken_json(client: httpx.Client, fake_bot_api: FakeBotApi) -> None:
    fake_bot_api.respond_with(kind="html")
    fake_bot_api.respond_with(kind="malformed")
    page, broken = send(client), send(client)
    assert (page.status_code, page.headers["content-type"]) == (502, "text/html")
    assert broken.status_code == 200
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        broken.json()


def test_a_cut_connection_may_hide_a_delivery(client: httpx.Client, fake_bot_api: FakeBotApi) -> None:
    fake_bot_api.respond_with(kind="cut", delivered=True)
    with pytest.raises(httpx.RemoteProtocolError):
        send(client)
    assert len(fake_bot_api.sent) == 1


@pytest.mark.parametrize("delivered", [False, True])
def test_a_dropped_connection_says_nothing_of_what_was_done(
    client: httpx.Client, fake_bot_api: FakeBotApi, delivered: bool
) -> None:
    fake_bot_api.respond_with(kind="drop", delivered=delivered)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        send(client)
    assert (fake_bot_api.calls[0].status, fake_bot_api.calls[0].description) == (None, "drop")
    assert len(fake_bot_api.sent) == int(delivered)
    assert send(client).status_code == 200


def test_a_result_of_another_shape(client: httpx.Client, fake_bot_api: FakeBotApi) -> None:
    fake_bot_api.respond_with(kind="foreign")
    assert send(client).json() == {"ok": True, "result": True}


def test_an_official_answer_goes_by_its_name(client: httpx.Client) -> None:
    client.post("/control/answers", json={"official": "migrated", "parameters": {"migrate_to_chat_id": -100}})
    client.post("/control/answers", json={"official": "wait_untold"})
    moved, untold = send(client), send(client)
    assert moved.json()["parameters"] == {"migrate_to_chat_id": -100}
    assert "upgraded" in moved.json()["description"]
    assert (untold.status_code, untold.json().get("parameters")) == (429, None)
    assert "retry-after" not in untold.headers


def test_a_chat_is_upgraded_over_http(client: httpx.Client, fake_bot_api: FakeBotApi) -> None:
    assert client.post("/control/users/7/upgrade", json={"to": 5}).status_code == 400
    assert client.post("/control/users/9/upgrade", json={"to": -1001111111111}).status_code == 404
    client.post("/control/users/7/upgrade", json={"to": -1001111111111})
    assert send(client, 7).json()["parameters"] == {"migrate_to_chat_id": -1001111111111}
    assert send(client, -1001111111111).status_code == 200
    chats = {chat["chat"]["id"]: chat for chat in client.get("/control/chats").json()["result"]}
    assert [message["text"] for message in chats[-1001111111111]["messages"]] == ["hi"]


def test_every_answer_has_its_moment() -> None:
    ticks = count(1_800_000_000)  # a clock that moves each time it is read, and at no other time
    fake_bot_api = FakeBotApi(clock=lambda: float(next(ticks)))
    fake_bot_api.people.add(7, "Anna")
    with running(fake_bot_api) as address, httpx.Client(base_url=address) as client:
        send(client)
        send(client)
    moments = [moment for call in fake_bot_api.calls for moment in (call.received_at, call.answered_at)]
    assert moments == sorted({moment for moment in moments if moment is not None})
    assert len(moments) == 4


def test_a_hanging_call_ends_when_the_client_leaves(client: httpx.Client, fake_bot_api: FakeBotApi) -> None:
    fake_bot_api.respond_with(kind="hang")

    async def scenario() -> None:
        async with httpx.AsyncClient(base_url=client.base_url, timeout=20) as leaving:
            call = asyncio.ensure_future(leaving.get(f"/bot{TOKEN}/getMe"))
            while not fake_bot_api.hanging:
                await asyncio.sleep(0)
            call.cancel()
        while fake_bot_api.hanging:
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(scenario(), 20))
    assert (fake_bot_api.calls[0].status, fake_bot_api.calls[0].description) == (None, "hang")


def test_the_calls_are_listed_with_their_outcome(client: httpx.Client, fake_bot_api: FakeBotApi) -> None:
    send(client)
    send(client, 9)
    client.get(f"/bot{TOKEN}/getPigeon")
    calls = client.get("/control/calls").json()["result"]
    assert [(call["method"], call["status"], call["description"]) for call in calls] == [
        ("sendMessage", 200, None),
        ("sendMessage", 400, "Bad Request: chat not found"),
        ("getPigeon", 404, "Not Found"),
    ]
    assert calls[0]["params"] == {"chat_id": "7", "text": "hi"}
    assert "demo" not in str(calls)
    assert [call.method for call in fake_bot_api.calls] == ["sendMessage", "sendMessage", "getPigeon"]


def test_every_call_takes_its_latency(client: httpx.Client, fake_bot_api: FakeBotApi) -> None:
    fake_bot_api.latency_s = 0.05
    assert client.get(f"/bot{TOKEN}/getMe").elapsed.total_seconds() >= 0.05


def test_a_rule_fills_in_what_was_left_out() -> None:
    assert ScriptedResponse(status=429).parameters == {"retry_after": 1}
    assert ScriptedResponse().status == 500
