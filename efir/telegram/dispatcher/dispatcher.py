"""The dispatcher: holds the bot's lease and, while it does, sends the outbox and answers updates."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import structlog
from django.conf import settings

from efir.lib.concurrency import in_thread, wait_for
from efir.telegram.bot import lease
from efir.telegram.bot.client import BotApi
from efir.telegram.dispatcher.lease_term import LeaseTerm
from efir.telegram.dispatcher.notice_sender import NoticeSender
from efir.telegram.dispatcher.poller import UpdatePoller
from efir.telegram.dispatcher.rate_limiter import RateLimiter
from efir.telegram.dispatcher.sender import Sender
from efir.telegram.outbox.completion import recover_orphaned

# A quarter of the lease's time to live: two renewals may fail before it is lost.
RENEW_S = 2.0
TAKE_OVER_S = 0.5
# For the calls that are in progress at a stop, messages and notices side by side. A stop ends within ten seconds.
STOP_WITHIN_S = 4.0
# No new call is started in this time before the lease ends.
MARGIN_S = 1.0

log = structlog.get_logger(__name__)


class Dispatcher:
    """Acts for the bot while it holds the lease.

    Any number may run, in any number of processes. One acts; if it dies, another takes over within seconds. It waits
    during outages of the database and of Telegram. Needs a token (`settings.EFIR.telegram_token`).
    """

    def __init__(self) -> None:
        config = settings.EFIR
        self.holder = uuid4()
        self._observation = lease.Observation()
        self._stopping = asyncio.Event()
        self._api = BotApi(config.telegram_token, config.telegram_api)
        self._limiter = RateLimiter(config.telegram_rate)
        self._sender = Sender(self._api, self._limiter, self.holder)
        self._poller = UpdatePoller(self._api, self._limiter)
        self._notices = NoticeSender(self._api, self._limiter)

    def stop(self) -> None:
        """End after the calls that are in progress. Call it in the event loop's thread."""
        self._stopping.set()

    async def run(self) -> None:
        """Act for the bot, or stand by, until `stop`."""
        try:
            while not self._stopping.is_set():
                term = LeaseTerm()
                if await self._renew(term):
                    await self._run_as_holder(term)
                else:
                    await wait_for(self._stopping, TAKE_OVER_S)
        finally:
            await self._release()
            await self._api.close()

    async def _run_as_holder(self, term: LeaseTerm) -> None:
        log.info("lease_acquired")
        stop, over = asyncio.create_task(self._stopping.wait()), asyncio.create_task(term.wait())
        renewals = asyncio.create_task(self._renew_loop(term))
        jobs = [asyncio.create_task(job(term)) for job in (self._send, self._poller.run, self._notices.run)]
        try:
            await asyncio.wait({stop, over, *jobs}, return_when=asyncio.FIRST_COMPLETED)
            term.end()
            await asyncio.gather(*jobs)
        finally:
            for task in (stop, over, renewals, *jobs):
                task.cancel()
            log.info("lease_released")

    async def _send(self, term: LeaseTerm) -> None:
        await self._sender.run(term)
        if self._stopping.is_set():
            await self._sender.drain(STOP_WITHIN_S)

    async def _renew_loop(self, term: LeaseTerm) -> None:
        while await self._renew(term) is not False:
            await asyncio.sleep(RENEW_S)
        log.warning("lease_lost")
        term.end()

    async def _renew(self, term: LeaseTerm) -> bool | None:
        """Acquire or renew the lease, and recover what another holder left. Return None if the database is away."""
        until = asyncio.get_running_loop().time() + lease.TTL_S - MARGIN_S
        try:
            if not await in_thread(lease.acquire, self.holder, self._observation):
                return False
            term.extend(until)
            await in_thread(recover_orphaned, self.holder)
            if paused_until := await in_thread(lease.paused_until):
                self._limiter.pause_until(paused_until)
        except Exception:  # the term ends by itself, unless a later renewal succeeds in time
            log.exception("lease_failed")
            return None
        return True

    async def _release(self) -> None:
        # The next holder does not know when each chat got its last message, so all limits must have passed before the
        # release.
        await asyncio.sleep(self._limiter.seconds_until_idle)
        try:
            await in_thread(lease.release, self.holder)
        except Exception:  # it expires by itself
            log.exception("lease_failed")
