"""Answering what people say to the bot, without letting anybody's talk hold up the messages of the outbox."""

from __future__ import annotations

import asyncio

import structlog

from efir.telegram.bot.client import BotApi, BotApiError
from efir.telegram.bot.outcomes import RateLimited, classify_outcome
from efir.telegram.dispatcher.lease_term import LeaseTerm
from efir.telegram.dispatcher.rate_limiter import RateLimiter
from efir.telegram.updates import Reply

# Whoever goes on talking is not told again and again that nobody listens.
SELDOM_S = 60.0
# So many chats wait for an answer at once; the last places are for commands.
TALKING_AT_ONCE = 50
AT_ONCE = 200
REMEMBERED_CHATS = 1000

log = structlog.get_logger(__name__)


class ReplyQueue:
    """What is to be answered to whom. One reply waits for each chat: that to a later command takes its place."""

    def __init__(self, api: BotApi, pace: RateLimiter) -> None:
        self._api = api
        self._pace = pace
        self._waiting: dict[int, Reply] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._told: dict[int, float] = {}
        self._is_full = False

    def soon(self, reply: Reply, turn: LeaseTerm) -> None:
        """Say it when the outbox leaves a moment for it; not at all, where this chat or too many others wait."""
        if reply.chat_id in self._waiting:
            if not reply.seldom:
                self._waiting[reply.chat_id] = reply
        elif self._is_due(reply) and self._has_room(reply):
            self._waiting[reply.chat_id] = reply
            call = asyncio.create_task(self._answer(reply.chat_id, turn))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    async def finish(self, within_s: float) -> None:
        """The turn is over: see the calls that are under way to their end."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=within_s)

    def _is_due(self, reply: Reply) -> bool:
        """What answers no command is said to a chat that has not heard it lately."""
        now = asyncio.get_running_loop().time()
        return not reply.seldom or self._told.get(reply.chat_id, now) <= now

    def _has_room(self, reply: Reply) -> bool:
        if len(self._waiting) < (TALKING_AT_ONCE if reply.seldom else AT_ONCE):
            return True
        if not self._is_full:
            self._is_full = True
            log.warning("replies_full", waiting=len(self._waiting))
        return False

    async def _answer(self, chat_id: int, turn: LeaseTerm) -> None:
        try:
            is_now = await self._its_moment(chat_id, turn)
        finally:
            reply = self._waiting.pop(chat_id)
            self._is_full = self._is_full and bool(self._waiting)
        if is_now:
            if reply.seldom:
                self._remember(chat_id)
            await self._say(reply)

    def _remember(self, chat_id: int) -> None:
        now = asyncio.get_running_loop().time()
        if len(self._told) >= REMEMBERED_CHATS:
            self._told = {chat: until for chat, until in self._told.items() if until > now}
        self._told[chat_id] = now + SELDOM_S

    async def _its_moment(self, chat_id: int, turn: LeaseTerm) -> bool:
        """Wait for it, through any pause; False where the turn ended."""
        while not await self._pace.spare(chat_id, turn):
            if await turn.wait(self._pace.paused_s):
                return False
        return True

    async def _say(self, reply: Reply) -> None:
        message = reply.composed()
        try:
            await self._api.send(reply.chat_id, message.text, message.buttons)
        except BotApiError as exc:
            decision = classify_outcome(exc)
            if isinstance(decision, RateLimited):
                await self._pace.obey(decision.seconds)
            log.warning("reply_failed", outcome=type(decision).__name__)
