"""The dispatcher: holds the bot's lease and, while it does, sends what is queued and hears what people say."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import structlog
from django.conf import settings

from efir.lib.concurrency import in_thread, wait_for
from efir.telegram.bot import lease
from efir.telegram.bot.client import BotApi
from efir.telegram.dispatcher.lease_term import LeaseTerm
from efir.telegram.dispatcher.poller import UpdatePoller
from efir.telegram.dispatcher.rate_limiter import RateLimiter
from efir.telegram.dispatcher.sender import Sender
from efir.telegram.outbox.completion import recover_orphaned

RENEW_S = 2.0
TAKE_OVER_S = 0.5
# Calls under way, messages and notices side by side: with what comes after them it is ten seconds.
STOP_WITHIN_S = 4.0
# So long before the lease runs out nothing new is begun.
MARGIN_S = 1.0

log = structlog.get_logger(__name__)


class Dispatcher:
    """Any number may run, in any number of processes: one acts, another takes over within seconds if it dies.

    Survives the database and Telegram being away. Needs a token (`settings.EFIR.telegram_token`).
    """

    def __init__(self) -> None:
        config = settings.EFIR
        self.holder = uuid4()
        self._stopping = asyncio.Event()
        self._api = BotApi(config.telegram_token, config.telegram_api)
        self._pace = RateLimiter(config.telegram_rate)
        self._sender = Sender(self._api, self._pace, self.holder)
        self._linker = UpdatePoller(self._api, self._pace)

    def stop(self) -> None:
        """End after the calls that are under way; to be called in the event loop's thread."""
        self._stopping.set()

    async def run(self) -> None:
        """Act for the bot until `stop`."""
        try:
            while not self._stopping.is_set():
                turn = LeaseTerm()
                if await self._renew(turn):
                    await self._act(turn)
                else:
                    await self._rest()
        finally:
            await self._give_back()
            await self._api.close()

    async def _act(self, turn: LeaseTerm) -> None:
        log.info("turn_began")
        stop, over = asyncio.create_task(self._stopping.wait()), asyncio.create_task(turn.wait())
        keeper = asyncio.create_task(self._keep(turn))
        jobs = [asyncio.create_task(self._send(turn)), asyncio.create_task(self._linker.run(turn))]
        try:
            await asyncio.wait({stop, over, *jobs}, return_when=asyncio.FIRST_COMPLETED)
            turn.end()
            await asyncio.gather(*jobs)
        finally:
            for task in (stop, over, keeper, *jobs):
                task.cancel()
            log.info("turn_ended")

    async def _send(self, turn: LeaseTerm) -> None:
        await self._sender.run(turn)
        if self._stopping.is_set():
            await self._sender.drain(STOP_WITHIN_S)

    async def _keep(self, turn: LeaseTerm) -> None:
        while await self._renew(turn) is not False:
            await asyncio.sleep(RENEW_S)
        log.warning("lease_lost")
        turn.end()

    async def _renew(self, turn: LeaseTerm) -> bool | None:
        """Take or renew the lease, and see to what another holder left; None where the database is away."""
        until = asyncio.get_running_loop().time() + lease.TTL_S - MARGIN_S
        try:
            if not await in_thread(lease.acquire, self.holder):
                return False
            turn.extend(until)
            await in_thread(recover_orphaned, self.holder)
            if paused_until := await in_thread(lease.paused_until):
                self._pace.pause_until(paused_until)
        except Exception:  # the turn ends by itself, unless a later renewal succeeds in time
            log.exception("lease_failed")
            return None
        return True

    async def _rest(self) -> None:
        await wait_for(self._stopping, TAKE_OVER_S)

    async def _give_back(self) -> None:
        """Whoever takes over does not know when which chat got its last message."""
        await asyncio.sleep(self._pace.quiet_in_s)
        try:
            await in_thread(lease.release, self.holder)
        except Exception:  # it runs out by itself
            log.exception("lease_failed")
