"""Sending the notices: looked for every second, each with a call of its own."""

from __future__ import annotations

import asyncio

import structlog

from efir.lib.concurrency import in_thread
from efir.telegram import errands
from efir.telegram.bot.client import BotApi
from efir.telegram.bot.outcomes import RateLimited, classify_outcome
from efir.telegram.dispatcher.lease_term import LeaseTerm
from efir.telegram.dispatcher.rate_limiter import RateLimiter
from efir.telegram.errands import NoticeClaim

LOOK_EVERY_S = 1.0
AT_ONCE = 20
# What is still unanswered then is tried once more by whoever acts next.
END_WITHIN_S = 4.0

log = structlog.get_logger(__name__)


class NoticeSender:
    """Works for as long as the dispatcher's turn lasts, at the pace that it shares with the outbox."""

    def __init__(self, api: BotApi, pace: RateLimiter) -> None:
        self._api = api
        self._pace = pace
        self._calls: set[asyncio.Task[None]] = set()

    async def run(self, turn: LeaseTerm) -> None:
        """Send what is asked for until the turn is over, and see the calls that are under way to their end."""
        while not await turn.wait(LOOK_EVERY_S):
            try:
                await self._round(turn)
            except Exception:  # the database is away, say: what is asked for stays there
                log.exception("courier_failed")
        if self._calls:
            await asyncio.wait(self._calls, timeout=END_WITHIN_S)

    async def _round(self, turn: LeaseTerm) -> None:
        room = AT_ONCE - len(self._calls)
        if self._pace.paused_s or not room:
            return
        for errand in await in_thread(errands.claim_notices, room):
            call = asyncio.create_task(self._run(errand, turn))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    async def _run(self, errand: NoticeClaim, turn: LeaseTerm) -> None:
        """A failure here leaves the notice as perhaps sent: it is tried once more."""
        try:
            await self._deliver(errand, turn)
        except Exception as exc:  # without a traceback: it might hold the link
            log.error("notice_failed", purpose=errand.purpose, error=type(exc).__name__)

    async def _deliver(self, errand: NoticeClaim, turn: LeaseTerm) -> None:
        message = await in_thread(errand.compose)
        if not await self._pace.slot(errand.chat_id, turn):
            return await in_thread(errands.requeue_notice, errand)
        try:
            decision = classify_outcome(await self._api.send(errand.chat_id, message.text, message.buttons))
        except Exception as exc:  # whatever it is, it may have gone
            decision = classify_outcome(exc)
        if isinstance(decision, RateLimited):
            await self._pace.obey(decision.seconds)
        await in_thread(errands.complete_notice, errand, decision)
        return None
