"""Telegram's limits: so many calls a second for the bot, one a second for a chat, and the pause that a 429 asks for."""

from __future__ import annotations

import asyncio
from datetime import datetime

import structlog
from django.db import Error as DatabaseError

from efir.lib import clock
from efir.lib.concurrency import in_thread
from efir.telegram.bot import lease
from efir.telegram.dispatcher.lease_term import LeaseTerm

# A little over Telegram's one second, because the network changes the distance between two calls.
CHAT_GAP_S = 1.05
# Bounds memory: beyond this, chats that are free again are forgotten.
REMEMBERED_CHATS = 1000
# While the outbox uses every slot, one slot in this many goes to replies, so that a person who links their chat
# meanwhile gets a reply within seconds.
LOW_PRIORITY_SHARE = 10

log = structlog.get_logger(__name__)


class RateLimiter:
    """Gives each call its slot. Times are those of the event loop's clock, which cannot be set."""

    def __init__(self, rate: float) -> None:
        """`rate`: calls a second."""
        self.interval_s = 1 / rate
        self._latest_slot = 0.0
        self._latest_call = 0.0
        self._chats: dict[int, float] = {}
        self._low_priority_line = asyncio.Lock()
        self._paused_until = 0.0

    async def apply_retry_after(self, seconds: float) -> None:
        """Pause for as long as Telegram says, and store the pause for the process that acts next."""
        self.pause(seconds)
        try:
            await in_thread(lease.pause, seconds)
        except DatabaseError:
            log.warning("pause_not_written", exc_info=True)

    def pause(self, seconds: float) -> None:
        """Give no slot for so many seconds; a longer pause stays."""
        self._paused_until = max(self._paused_until, asyncio.get_running_loop().time() + seconds)

    def pause_until(self, moment: datetime) -> None:
        """Give no slot until `moment` of the database's clock; a longer pause stays."""
        self.pause((moment - clock.now()).total_seconds())

    @property
    def paused_s(self) -> float:
        """The seconds that are left of the pause; 0 if there is none."""
        return max(0.0, self._paused_until - asyncio.get_running_loop().time())

    def chat_free_at(self, chat_id: int) -> float:
        """Return when the chat may get its next message."""
        return self._chats.get(chat_id, 0.0)

    @property
    def seconds_until_idle(self) -> float:
        """Return after how many idle seconds another process, which knows of no earlier call, may make one."""
        latest, now = max(self._latest_slot, self._latest_call), asyncio.get_running_loop().time()
        # A slot in the future was given back. At a low rate it may be many seconds away, so it is not waited for.
        return max(0.0, CHAT_GAP_S + min(latest - now, 0.0)) if latest else 0.0

    async def acquire(self, chat_id: int, term: LeaseTerm) -> bool:
        """Wait for a slot for one call to this chat. Return False if the term ended or a pause began meanwhile."""
        loop = asyncio.get_running_loop()
        if not await self._wait_for_chat(chat_id, term):
            return False
        at = self._latest_slot = max(self._latest_slot + self.interval_s, loop.time())
        self._remember(chat_id, at + CHAT_GAP_S)
        while (early := at - loop.time()) > 0:
            if await term.wait(early):
                return False
        return not term.over and not self.paused_s

    async def acquire_low_priority(self, chat_id: int, term: LeaseTerm) -> bool:
        """Wait as `acquire` does, for a slot that nobody else wants, or one in `LOW_PRIORITY_SHARE` of theirs."""
        if not await self._wait_for_chat(chat_id, term):
            return False
        loop = asyncio.get_running_loop()
        async with self._low_priority_line:
            latest = loop.time() + LOW_PRIORITY_SHARE * self.interval_s
            while (early := min(self._latest_slot + self.interval_s, latest) - loop.time()) > 0:
                if await term.wait(early):
                    return False
        return await self.acquire(chat_id, term)

    async def _wait_for_chat(self, chat_id: int, term: LeaseTerm) -> bool:
        """Wait until the chat may get its next message. Return False if the term ended."""
        while (free_in := self.chat_free_at(chat_id) - asyncio.get_running_loop().time()) > 0:
            if await term.wait(free_in):
                return False
        return True

    async def confirm(self, chat_id: int) -> bool:
        """Wait once more, right before the call. Return False if a pause began meanwhile.

        The database write between slot and call takes now more, now less time, so slots alone do not keep the distance.
        """
        loop = asyncio.get_running_loop()
        at = self._latest_call = max(self._latest_call + self.interval_s, loop.time())
        self._remember(chat_id, at + CHAT_GAP_S)
        await asyncio.sleep(at - loop.time())
        return not self.paused_s

    def _remember(self, chat_id: int, free_at: float) -> None:
        if len(self._chats) >= REMEMBERED_CHATS:
            now = asyncio.get_running_loop().time()
            self._chats = {chat: at for chat, at in self._chats.items() if at > now}
        self._chats[chat_id] = free_at
