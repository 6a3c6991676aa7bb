"""Scripted responses: which calls they match, and their shapes on the wire."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from efir.fake_botapi import FakeBotApi, ResponseKind, ScriptedResponse
from tests.unit.fake_botapi.conftest import TOKEN


@pytest.fixture
def fake_bot_api(fake_bot_api: FakeBotApi) -> FakeBotApi:
    fake_bot_api.people.add(8, "Boris")
    return fake_bot_api


@pytest.fixture
def send(call):
    return lambda chat_id=7: call("sendMessage", chat_id=chat_id, text="hi")


def test_response_is_used_as_often_as_scripted(send, fake_bot_api):
    fake_bot_api.respond_with(403, method="sendMessage", times=2)
    assert [send().status_code for _ in range(3)] == [403, 403, 200]
    assert len(fake_bot_api.sent) == 1


def test_response_without_times_stays_until_cleared(send, fake_bot_api):
    fake_bot_api.respond_with(500, times=None)
    assert [send().status_code for _ in range(3)] == [500] * 3
    fake_bot_api.clear_responses()
    assert send().status_code == 200


def test_response_matches_its_method_and_chat_only(call, send, fake_bot_api):
    fake_bot_api.respond_with(403, method="sendMessage", chat_id=8)
    assert send(7).status_code == 200
    assert call("getMe").status_code == 200
    assert send(8).json()["description"] == "Forbidden: bot was blocked by the user"


def test_responses_are_used_in_order(send, fake_bot_api):
    for status in (500, 429, 403):
        fake_bot_api.respond_with(status)
    assert [send().status_code for _ in range(4)] == [500, 429, 403, 200]


def test_429_says_how_long_to_wait(send, fake_bot_api):
    fake_bot_api.respond_with(429, parameters={"retry_after": 5})
    answer = send()
    assert answer.headers["retry-after"] == "5"
    assert answer.json() == {
        "ok": False,
        "error_code": 429,
        "description": "Too Many Requests: retry after 5",
        "parameters": {"retry_after": 5},
    }


def test_proxy_page_and_broken_json(send, fake_bot_api):
    fake_bot_api.respond_with(kind=ResponseKind.HTML)
    fake_bot_api.respond_with(kind=ResponseKind.MALFORMED)
    page, broken = send(), send()
    assert (page.status_code, page.headers["content-type"]) == (502, "text/html")
    assert broken.status_code == 200
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        broken.json()


def test_cut_connection_may_hide_a_delivery(send, fake_bot_api):
    fake_bot_api.respond_with(kind=ResponseKind.CUT, delivered=True)
    with pytest.raises(httpx.RemoteProtocolError):
        send()
    assert len(fake_bot_api.sent) == 1


@pytest.mark.parametrize("delivered", [False, True])
def test_dropped_connection_has_no_response(send, fake_bot_api, delivered):
    fake_bot_api.respond_with(kind=ResponseKind.DROP, delivered=delivered)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        send()
    assert (fake_bot_api.calls[0].status, fake_bot_api.calls[0].description) == (None, "drop")
    assert len(fake_bot_api.sent) == int(delivered)
    assert send().status_code == 200


def test_foreign_result_has_another_shape(send, fake_bot_api):
    fake_bot_api.respond_with(kind=ResponseKind.FOREIGN)
    assert send().json() == {"ok": True, "result": True}


def test_official_error_is_chosen_by_name(send, fake_bot_api):
    fake_bot_api.respond_with(official="migrated", parameters={"migrate_to_chat_id": -100})
    fake_bot_api.respond_with(official="wait_untold")
    moved, untold = send(), send()
    assert moved.json()["parameters"] == {"migrate_to_chat_id": -100}
    assert "upgraded" in moved.json()["description"]
    assert (untold.status_code, untold.json().get("parameters")) == (429, None)
    assert "retry-after" not in untold.headers


def test_hanging_call_ends_when_the_client_leaves(address, fake_bot_api):
    fake_bot_api.respond_with(kind=ResponseKind.HANG)

    async def scenario() -> None:
        async with httpx.AsyncClient(timeout=20) as leaving:
            call = asyncio.ensure_future(leaving.get(f"{address}/bot{TOKEN}/getMe"))
            while not fake_bot_api.hanging:
                await asyncio.sleep(0)
            call.cancel()
        while fake_bot_api.hanging:
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(scenario(), 20))
    assert (fake_bot_api.calls[0].status, fake_bot_api.calls[0].description) == (None, "hang")


def test_fields_left_out_get_defaults():
    assert ScriptedResponse(status=429).parameters == {"retry_after": 1}
    assert ScriptedResponse().status == 500
