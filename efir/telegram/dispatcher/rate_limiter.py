"""Telegram's three limits at once: so many a second for the bot, one a second for a chat, and a 429's silence."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import structlog
from django.db import Error as DatabaseError

from efir.lib import clock
from efir.lib.concurrency import in_thread
from efir.telegram.bot import lease
from efir.telegram.dispatcher.lease_term import LeaseTerm

# A little over the second, for what the network does to the distance between two calls.
CHAT_GAP_S = 1.05
REMEMBERED_CHATS = 1000
# While the outbox wants every moment, one in so many is left to replies: whoever links a chat meanwhile hears of it.
SHARE = 10

log = structlog.get_logger(__name__)


class RateLimiter:
    """Gives each call its moment. Times are of the event loop's clock, but the pause is of the database's."""

    def __init__(self, rate: float) -> None:
        self.interval_s = 1 / rate
        self._next = 0.0  # the latest slot
        self._last = 0.0  # the latest call
        self._chats: dict[int, float] = {}
        self._in_line = asyncio.Lock()  # those who take what is spare
        self._paused_until: datetime | None = None

    async def obey(self, seconds: float) -> None:
        """Telegram says to wait: nothing is sent for so long, nor by whichever process acts next."""
        self.pause(seconds)
        try:
            await in_thread(lease.pause, seconds)
        except DatabaseError:
            log.warning("pause_not_written", exc_info=True)

    def pause(self, seconds: float) -> None:
        """Nothing is sent for so long."""
        self.pause_until(clock.now() + timedelta(seconds=seconds))

    def pause_until(self, moment: datetime) -> None:
        """Nothing is sent until then; a longer pause stays."""
        self._paused_until = max(moment, self._paused_until or moment)

    @property
    def paused_s(self) -> float:
        """For how many seconds more nothing is sent."""
        if self._paused_until is None:
            return 0.0
        return max(0.0, (self._paused_until - clock.now()).total_seconds())

    def chat_free_at(self, chat_id: int) -> float:
        """When the chat may get its next message."""
        return self._chats.get(chat_id, 0.0)

    @property
    def quiet_in_s(self) -> float:
        """When nothing begins any more: in how many seconds may somebody who knows nothing of the calls so far?"""
        latest, now = max(self._next, self._last), asyncio.get_running_loop().time()
        # A moment that is still to come was given back: with a low rate it may be many seconds away.
        return max(0.0, CHAT_GAP_S + min(latest - now, 0.0)) if latest else 0.0

    async def slot(self, chat_id: int, turn: LeaseTerm) -> bool:
        """Wait until one call to this chat may begin; False where the turn ended or a pause began meanwhile."""
        loop = asyncio.get_running_loop()
        if not await self._is_free(chat_id, turn):
            return False
        at = self._next = max(self._next + self.interval_s, loop.time())
        self._remember(chat_id, at + CHAT_GAP_S)
        while (early := at - loop.time()) > 0:
            await turn.wait(early)
            if turn.over:
                return False
        return not turn.over and not self.paused_s

    async def spare(self, chat_id: int, turn: LeaseTerm) -> bool:
        """As `slot`, for what can wait: a moment that nobody else wants, or one in `SHARE` of theirs."""
        if not await self._is_free(chat_id, turn):
            return False
        loop = asyncio.get_running_loop()
        async with self._in_line:
            latest = loop.time() + SHARE * self.interval_s
            while (early := min(self._next + self.interval_s, latest) - loop.time()) > 0:
                if await turn.wait(early):
                    return False
        return await self.slot(chat_id, turn)

    async def _is_free(self, chat_id: int, turn: LeaseTerm) -> bool:
        """Wait until the chat may get its next message; False where the turn ended."""
        while (free_in := self.chat_free_at(chat_id) - asyncio.get_running_loop().time()) > 0:
            if await turn.wait(free_in):
                return False
        return True

    async def gate(self, chat_id: int) -> bool:
        """The last wait, right before the call: what was written since the slot took now more, now less time.

        False where a pause began meanwhile.
        """
        loop = asyncio.get_running_loop()
        at = self._last = max(self._last + self.interval_s, loop.time())
        self._remember(chat_id, at + CHAT_GAP_S)
        await asyncio.sleep(at - loop.time())
        return not self.paused_s

    def _remember(self, chat_id: int, free_at: float) -> None:
        if len(self._chats) >= REMEMBERED_CHATS:
            now = asyncio.get_running_loop().time()
            self._chats = {chat: at for chat, at in self._chats.items() if at > now}
        self._chats[chat_id] = free_at
