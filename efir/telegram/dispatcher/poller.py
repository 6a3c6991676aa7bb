"""Hearing what people say to the bot: long polling, each update taken once, and answered (`replies`).

Beside it goes what people have asked for on the site (`courier`).
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from efir.lib.concurrency import in_thread
from efir.telegram import updates
from efir.telegram.bot.client import BotApi, BotApiError
from efir.telegram.bot.outcomes import RateLimited, classify_outcome
from efir.telegram.dispatcher.lease_term import LeaseTerm
from efir.telegram.dispatcher.notice_sender import END_WITHIN_S, NoticeSender
from efir.telegram.dispatcher.rate_limiter import RateLimiter
from efir.telegram.dispatcher.replies import ReplyQueue

POLL_S = 25
RECOVER_S = 1.0
# Another poller, or a token that is not accepted: nothing that a second will change.
TROUBLE_S = 5.0

log = structlog.get_logger(__name__)


class UpdatePoller:
    """Polls for as long as the dispatcher's turn lasts: one poller for each bot."""

    def __init__(self, api: BotApi, pace: RateLimiter) -> None:
        self._api = api
        self._pace = pace
        self._courier = NoticeSender(api, pace)
        self._replies = ReplyQueue(api, pace)

    async def run(self, turn: LeaseTerm) -> None:
        """Take updates, and send notices, until the turn is over."""
        await asyncio.gather(self._hear(turn), self._courier.run(turn))

    async def _hear(self, turn: LeaseTerm) -> None:
        """What could not be saved is asked for again."""
        while not turn.over:
            try:
                await self._poll(turn)
            except BotApiError as exc:
                await self._recover(exc, turn)
            except Exception:  # the database is away, say: Telegram keeps the updates for a day
                log.exception("linker_failed")
                await turn.wait(RECOVER_S)
        await self._replies.finish(END_WITHIN_S)

    async def _poll(self, turn: LeaseTerm) -> None:
        offset = await in_thread(updates.next_offset)
        for update in await turn.cut(self._api.updates(offset, POLL_S)) or ():
            reply = await in_thread(updates.take, update)
            if reply:
                self._replies.soon(reply, turn)

    async def _recover(self, error: BotApiError, turn: LeaseTerm) -> None:
        decision = classify_outcome(error)
        log.warning("updates_failed", status=error.status, outcome=type(decision).__name__)
        if isinstance(decision, RateLimited):
            await self._pace.obey(decision.seconds)
        if error.status == 409 and "webhook" in error.description.lower():
            await turn.cut(self._drop_webhook())
        await turn.wait(_pause_s(error, decision))

    async def _drop_webhook(self) -> None:
        try:
            await self._api.delete_webhook()
        except BotApiError as exc:
            log.warning("webhook_stays", status=exc.status)


def _pause_s(error: BotApiError, decision: Any) -> float:
    if isinstance(decision, RateLimited):
        return decision.seconds
    return TROUBLE_S if error.status else RECOVER_S
