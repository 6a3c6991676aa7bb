"""Send notices: poll the table every second, and make a call for each notice."""

from __future__ import annotations

import asyncio

import structlog

from efir.lib.concurrency import in_thread
from efir.telegram import notices
from efir.telegram.bot.client import BotApi
from efir.telegram.bot.outcomes import RateLimited
from efir.telegram.dispatcher.lease_term import LeaseTerm
from efir.telegram.dispatcher.rate_limiter import RateLimiter
from efir.telegram.notices import NoticeClaim

POLL_S = 1.0
CONCURRENCY = 20
# For the calls that are in progress when a term ends. The next holder tries the others once more.
END_WITHIN_S = 4.0

log = structlog.get_logger(__name__)


class NoticeSender:
    """Sends notices during the terms of the lease, within the limits that it shares with the outbox."""

    def __init__(self, api: BotApi, limiter: RateLimiter) -> None:
        self._api = api
        self._limiter = limiter
        self._calls: set[asyncio.Task[None]] = set()

    async def run(self, term: LeaseTerm) -> None:
        """Send notices until the term is over, then finish the calls that are in progress."""
        while not await term.wait(POLL_S):
            room = CONCURRENCY - len(self._calls)
            if self._limiter.paused_s or not room:
                continue
            try:
                claimed = await in_thread(notices.claim_notices, room)
            except Exception:  # for example, the database is unreachable: the notices stay in it
                log.exception("notice_loop_failed")
                continue
            for claim in claimed:
                call = asyncio.create_task(self._deliver(claim, term))
                self._calls.add(call)
                call.add_done_callback(self._calls.discard)
        if self._calls:
            await asyncio.wait(self._calls, timeout=END_WITHIN_S)

    async def _deliver(self, claim: NoticeClaim, term: LeaseTerm) -> None:
        """Send one notice. If anything fails here, the notice counts as perhaps sent and is tried once more."""
        try:
            message = await in_thread(claim.compose)
            if not await self._limiter.acquire(claim.chat_id, term):
                return await in_thread(notices.requeue_notice, claim)
            decision = await self._api.send_and_classify(claim.chat_id, message.text, message.buttons)
            if isinstance(decision, RateLimited):
                await self._limiter.apply_retry_after(decision.seconds)
            await in_thread(notices.complete_notice, claim, decision)
        except Exception as exc:  # without a traceback, which might hold the secret link
            log.error("notice_failed", purpose=claim.purpose, error=type(exc).__name__)
