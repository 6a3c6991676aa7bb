"""getUpdates: confirmation, filters and true long polling."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from telegram import Bot
from telegram.error import Conflict

from efir.fake_botapi import FakeBotApi
from tests.unit.fake_botapi.conftest import TOKEN

LONG_S = 40


def updates(address: str, **params: Any) -> list[Any]:
    answer = httpx.post(f"{address}/bot{TOKEN}/getUpdates", data=params)
    result: list[Any] = answer.json()["result"]
    return result


def with_bot(address: str, scenario: Callable[[Bot], Awaitable[None]]) -> None:
    async def run() -> None:
        async with Bot(TOKEN, base_url=f"{address}/bot") as bot:
            await asyncio.wait_for(scenario(bot), timeout=LONG_S / 2)

    asyncio.run(run())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0)


def long_poll(bot: Bot) -> asyncio.Task[Any]:
    return asyncio.ensure_future(bot.get_updates(timeout=LONG_S, read_timeout=LONG_S + 5))


def test_start_arrives_as_a_command(address: str, fake_bot_api: FakeBotApi) -> None:
    fake_bot_api.people.start(7, "abc-DEF_1")
    message = updates(address)[0]["message"]
    assert message["text"] == "/start abc-DEF_1"
    assert message["from"] == {
        "id": 7, "is_bot": False, "first_name": "Anna", "username": "anna", "language_code": "ru"
    }  # fmt: skip


@pytest.mark.parametrize("payload", ["x" * 65, "a b", "я"])
def test_invalid_start_payload_is_refused(fake_bot_api: FakeBotApi, payload: str) -> None:
    with pytest.raises(ValueError, match="payload"):
        fake_bot_api.people.start(7, payload)


def test_updates_stay_until_confirmed(address: str, fake_bot_api: FakeBotApi) -> None:
    for text in ("a", "b", "c"):
        fake_bot_api.people.say(7, text)
    first, second, third = (update["update_id"] for update in updates(address))
    assert (second, third) == (first + 1, first + 2)
    assert [update["update_id"] for update in updates(address, limit=2)] == [first, second]
    assert [update["update_id"] for update in updates(address, offset=second)] == [second, third]
    assert [update["update_id"] for update in updates(address)] == [second, third]
    assert updates(address, offset=third + 1) == []


def test_update_ids_exceed_those_of_an_earlier_run(fake_bot_api: FakeBotApi) -> None:
    later = FakeBotApi(clock=lambda: fake_bot_api.state.clock() + 60)
    assert later.state.last_update_id > fake_bot_api.state.last_update_id


def test_start_unblocks_the_bot(address: str, fake_bot_api: FakeBotApi) -> None:
    fake_bot_api.people.block(7)
    fake_bot_api.people.block(7)
    fake_bot_api.people.start(7)
    kinds = [(set(update) - {"update_id"}).pop() for update in updates(address)]
    assert kinds == ["my_chat_member", "my_chat_member", "message"]
    assert not fake_bot_api.chats[7].blocked


def test_waiting_poll_is_woken_by_an_update(address: str, fake_bot_api: FakeBotApi) -> None:
    async def scenario(bot: Bot) -> None:
        poll = long_poll(bot)
        await until(lambda: fake_bot_api.is_polling)
        fake_bot_api.people.start(7, "token")
        assert [update.message.text for update in await poll] == ["/start token"]

    with_bot(address, scenario)


def test_poll_ends_empty_when_its_time_is_up(address: str) -> None:
    assert updates(address, timeout=1) == []


def test_second_poll_ends_the_first(address: str, fake_bot_api: FakeBotApi) -> None:
    async def scenario(bot: Bot, other: httpx.AsyncClient) -> None:
        older = long_poll(bot)
        await until(lambda: fake_bot_api.is_polling)
        newer = asyncio.ensure_future(other.get(f"{address}/bot{TOKEN}/getUpdates?timeout={LONG_S}"))
        with pytest.raises(Conflict, match="terminated by other getUpdates request; make sure that only one"):
            await older
        fake_bot_api.people.say(7, "hi")
        assert len((await newer).json()["result"]) == 1

    async def with_two(bot: Bot) -> None:
        async with httpx.AsyncClient(timeout=LONG_S) as other:
            await scenario(bot, other)

    with_bot(address, with_two)


def test_poll_ends_when_its_client_leaves(address: str, fake_bot_api: FakeBotApi) -> None:
    async def scenario(_bot: Bot) -> None:
        async with httpx.AsyncClient() as client:
            poll = asyncio.ensure_future(client.get(f"{address}/bot{TOKEN}/getUpdates?timeout={LONG_S}"))
            await until(lambda: fake_bot_api.is_polling)
            poll.cancel()
        await until(lambda: not fake_bot_api.is_polling)

    with_bot(address, scenario)
