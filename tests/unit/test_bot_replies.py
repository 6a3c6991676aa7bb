"""The reply queue: how often, how many at once, and after the outbox."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from efir.telegram.dispatcher import replies as replies_module
from efir.telegram.dispatcher.lease_term import LeaseTerm
from efir.telegram.dispatcher.rate_limiter import RateLimiter
from efir.telegram.dispatcher.replies import MAX_PENDING, MAX_PENDING_TALK, ReplyQueue
from efir.telegram.updates import Reply


class Telegram:
    """Records what is sent. While `open` is not set, calls hang."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, str]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def send(self, chat_id: int, text: str, buttons: object, *, choices: object) -> int:
        self.sent.append((chat_id, text))
        await self.open.wait()
        return 1


def talk(chat_id: int) -> Reply:
    return Reply(chat_id, "a helper", seldom=True)


def command(chat_id: int, text: str = "linked") -> Reply:
    return Reply(chat_id, text)


@pytest.fixture
def run():
    """Run a scenario at a high rate, wait for all replies, and return what was sent."""

    def run(
        scenario: Callable[[ReplyQueue, LeaseTerm, Telegram, RateLimiter], Awaitable[None]],
    ) -> list[tuple[int, str]]:
        async def whole() -> list[tuple[int, str]]:
            telegram, limiter, term = Telegram(), RateLimiter(rate=1000), LeaseTerm()
            replies = ReplyQueue(telegram, limiter)
            await scenario(replies, term, telegram, limiter)
            await replies.finish(60)
            return telegram.sent

        return asyncio.run(asyncio.wait_for(whole(), 60))

    return run


def test_repeated_talk_is_answered_once_a_minute(run):
    async def scenario(replies, term, telegram, limiter):
        for _ in range(50):
            replies.put(talk(1), term)
        await replies.finish(60)
        for _ in range(50):
            replies.put(talk(1), term)
        replies.put(talk(2), term)
        await replies.finish(60)

    assert run(scenario) == [(1, "a helper"), (2, "a helper")]


def test_talk_is_answered_again_after_a_minute(run, monkeypatch):
    monkeypatch.setattr(replies_module, "SELDOM_S", 0.0)
    monkeypatch.setattr("efir.telegram.dispatcher.rate_limiter.CHAT_GAP_S", 0.0)

    async def scenario(replies, term, telegram, limiter):
        for _ in range(2):
            replies.put(talk(1), term)
            await replies.finish(60)

    assert len(run(scenario)) == 2


def test_command_is_always_answered(run, monkeypatch):
    monkeypatch.setattr("efir.telegram.dispatcher.rate_limiter.CHAT_GAP_S", 0.0)

    async def scenario(replies, term, telegram, limiter):
        for reply in (talk(1), command(1), command(1)):
            replies.put(reply, term)
            await replies.finish(60)

    assert [text for _, text in run(scenario)] == ["a helper", "linked", "linked"]


def test_latest_waiting_command_is_answered(run):
    async def scenario(replies, term, telegram, limiter):
        for reply in (talk(1), command(1, "linked"), command(1, "unlinked"), talk(1)):
            replies.put(reply, term)

    assert run(scenario) == [(1, "unlinked")]


def test_queue_is_limited_and_keeps_places_for_commands(run):
    async def scenario(replies, term, telegram, limiter):
        for chat_id in range(1, 1000):
            replies.put(talk(chat_id), term)
        assert len(replies._calls) == MAX_PENDING_TALK
        for chat_id in range(1000, 2000):
            replies.put(command(chat_id), term)
        assert len(replies._calls) == MAX_PENDING
        await replies.finish(60)
        replies.put(talk(3000), term)

    texts = Counter(text for _, text in run(scenario))
    assert texts == {"a helper": MAX_PENDING_TALK + 1, "linked": MAX_PENDING - MAX_PENDING_TALK}


def test_end_of_term_drops_waiting_and_finishes_running_replies(run):
    async def scenario(replies, term, telegram, limiter):
        telegram.open.clear()
        replies.put(talk(1), term)
        while not telegram.sent:
            await asyncio.sleep(0)
        replies.put(command(1), term)  # has to wait for a second
        term.end()
        asyncio.get_running_loop().call_soon(telegram.open.set)

    assert run(scenario) == [(1, "a helper")]


def test_outbox_goes_before_waiting_replies():
    async def scenario():
        limiter, term, order = RateLimiter(rate=20), LeaseTerm(), []

        async def note(name: str, moment: Awaitable[bool]) -> None:
            assert await moment
            order.append(name)

        replies = [
            asyncio.create_task(note("reply", limiter.acquire_low_priority(chat, term))) for chat in range(10)
        ]
        await asyncio.sleep(0)
        messages = [
            asyncio.create_task(note("message", limiter.acquire(100 + chat, term))) for chat in range(3)
        ]
        await asyncio.gather(*replies, *messages)
        return order

    order = asyncio.run(asyncio.wait_for(scenario(), 60))
    assert order[:4] == ["reply", "message", "message", "message"]


def test_replies_get_a_share_of_the_slots():
    async def scenario():
        limiter, term, chats = RateLimiter(rate=200), LeaseTerm(), itertools.count(100)

        async def broadcast() -> None:
            while await limiter.acquire(next(chats), term):
                pass

        # Some moments are always taken ahead, as the sender does.
        senders = [asyncio.create_task(broadcast()) for _ in range(5)]
        await asyncio.sleep(0)
        came = [await limiter.acquire_low_priority(chat, term) for chat in range(10)]
        term.end()
        await asyncio.gather(*senders)
        return came

    assert all(asyncio.run(asyncio.wait_for(scenario(), 60)))
