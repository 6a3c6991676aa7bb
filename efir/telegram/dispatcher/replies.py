"""Reply to people who write to the bot, without delaying the messages of the outbox."""

from __future__ import annotations

import asyncio

import structlog

from efir.telegram.bot.client import BotApi, BotApiError
from efir.telegram.bot.outcomes import RateLimited, classify_outcome
from efir.telegram.dispatcher.lease_term import LeaseTerm
from efir.telegram.dispatcher.rate_limiter import RateLimiter
from efir.telegram.updates import Reply

# A person who keeps writing is told once a minute, not every time, that nobody reads it.
SELDOM_S = 60.0
# The maximum number of waiting replies. The last places are for commands, so that other texts cannot fill the queue.
MAX_PENDING_TALK = 50
MAX_PENDING = 200
# Bounds memory: beyond this, chats that may be answered again are forgotten.
REMEMBERED_CHATS = 1000

log = structlog.get_logger(__name__)


class ReplyQueue:
    """The replies that wait, one for each chat: the reply to a later command replaces an earlier one."""

    def __init__(self, api: BotApi, limiter: RateLimiter) -> None:
        self._api = api
        self._limiter = limiter
        self._waiting: dict[int, Reply] = {}
        self._calls: set[asyncio.Task[None]] = set()
        # Chat → when a `seldom` reply may go there again.
        self._seldom_until: dict[int, float] = {}
        self._is_full = False

    def put(self, reply: Reply, term: LeaseTerm) -> None:
        """Send the reply when the outbox leaves a slot. Drop it if this chat, or too many others, wait already."""
        if reply.chat_id in self._waiting:
            if not reply.seldom:
                self._waiting[reply.chat_id] = reply
            return
        now = asyncio.get_running_loop().time()
        if reply.seldom and self._seldom_until.get(reply.chat_id, now) > now:
            return
        if len(self._waiting) >= (MAX_PENDING_TALK if reply.seldom else MAX_PENDING):
            if not self._is_full:
                self._is_full = True
                log.warning("replies_full", waiting=len(self._waiting))
            return
        self._waiting[reply.chat_id] = reply
        call = asyncio.create_task(self._send(reply.chat_id, term))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def finish(self, within_s: float) -> None:
        """Wait up to `within_s` seconds for the calls that are in progress, once the term is over."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=within_s)

    async def _send(self, chat_id: int, term: LeaseTerm) -> None:
        try:
            while not (has_slot := await self._limiter.acquire_low_priority(chat_id, term)):
                if await term.wait(self._limiter.paused_s):
                    break
        finally:
            reply = self._waiting.pop(chat_id)
            self._is_full = self._is_full and bool(self._waiting)
        if not has_slot:
            return
        if reply.seldom:
            self._remember(chat_id)
        message = reply.composed()
        try:
            await self._api.send(chat_id, message.text, message.buttons, choices=reply.choices)
            if reply.callback_id:
                await self._api.answer_callback(reply.callback_id)
        except BotApiError as exc:
            decision = classify_outcome(exc)
            if isinstance(decision, RateLimited):
                await self._limiter.apply_retry_after(decision.seconds)
            log.warning("reply_failed", outcome=type(decision).__name__)

    def _remember(self, chat_id: int) -> None:
        now = asyncio.get_running_loop().time()
        if len(self._seldom_until) >= REMEMBERED_CHATS:
            self._seldom_until = {chat: until for chat, until in self._seldom_until.items() if until > now}
        self._seldom_until[chat_id] = now + SELDOM_S
