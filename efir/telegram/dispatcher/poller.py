"""Poll for updates: each takes effect once and is answered through the reply queue."""

from __future__ import annotations

import asyncio

import structlog

from efir.lib.concurrency import in_thread
from efir.telegram import updates
from efir.telegram.bot.client import BotApi, BotApiError
from efir.telegram.bot.outcomes import RateLimited, classify_outcome
from efir.telegram.dispatcher.lease_term import LeaseTerm
from efir.telegram.dispatcher.rate_limiter import RateLimiter
from efir.telegram.dispatcher.replies import ReplyQueue

# With the time that an answer may be late, and that of the call that makes sure, less than the 30 s within which the
# health must say that Telegram cannot be reached.
POLL_S = 15
RECOVER_S = 1.0
# Long polling waits at the server. If the server answers at once without updates, wait here.
EARLY_S = 1.0
# The wait if there is another poller or the token is rejected, which does not change within a second.
TROUBLE_S = 5.0
# For the replies that are in progress when a term ends.
END_WITHIN_S = 4.0

log = structlog.get_logger(__name__)


class UpdatePoller:
    """Polls during the terms of the lease, because Telegram allows one poller for each bot."""

    def __init__(self, api: BotApi, limiter: RateLimiter) -> None:
        self._api = api
        self._limiter = limiter
        self._replies = ReplyQueue(api, limiter)

    async def run(self, term: LeaseTerm) -> None:
        """Process updates until the term is over. An update that cannot be saved is fetched again."""
        while not term.over:
            try:
                offset = await in_thread(updates.next_offset)
                asked_at = asyncio.get_running_loop().time()
                found = await term.run(self._api.updates(offset, POLL_S)) or []
                is_early = asyncio.get_running_loop().time() - asked_at < POLL_S - EARLY_S
                if is_early and all(update["update_id"] < (offset or 0) for update in found):
                    await term.wait(EARLY_S)
                for update in found:
                    if reply := await in_thread(updates.process_update, update):
                        self._replies.put(reply, term)
            except BotApiError as exc:
                await self._recover(exc, term)
            except Exception:  # for example, the database is unreachable: Telegram keeps updates for a day
                log.exception("polling_failed")
                await term.wait(RECOVER_S)
        await self._replies.finish(END_WITHIN_S)

    async def _recover(self, error: BotApiError, term: LeaseTerm) -> None:
        """Remove the cause of the failure (a webhook) if possible, and wait."""
        decision = classify_outcome(error)
        log.warning("updates_failed", status=error.status, outcome=type(decision).__name__)
        if error.status == 409 and "webhook" in error.description.lower():
            await term.run(self._delete_webhook())
        if isinstance(decision, RateLimited):
            await self._limiter.apply_retry_after(decision.seconds)
            await term.wait(decision.seconds)
        else:
            await term.wait(TROUBLE_S if error.status else RECOVER_S)

    async def _delete_webhook(self) -> None:
        try:
            await self._api.delete_webhook()
        except BotApiError as exc:
            log.warning("webhook_stays", status=exc.status)
