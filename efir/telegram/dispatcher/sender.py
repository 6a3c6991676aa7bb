"""Send the outbox: claim due messages, make the calls concurrently, write the outcome of each."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Collection
from functools import partial
from typing import ParamSpec, TypeAlias
from uuid import UUID

import structlog
from django.db import DataError, IntegrityError
from django.db import Error as DatabaseError

from efir.lib import metrics
from efir.lib.concurrency import in_thread
from efir.lib.log import ThrottledErrorLog, without_token
from efir.telegram.bot import lease
from efir.telegram.bot.client import BotApi, BotApiError
from efir.telegram.bot.outcomes import (
    Decision,
    MessageRefused,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    TokenRejected,
    classify_outcome,
)
from efir.telegram.dispatcher.lease_term import LeaseTerm
from efir.telegram.dispatcher.rate_limiter import RateLimiter
from efir.telegram.outbox import claims
from efir.telegram.outbox.claims import Claim
from efir.telegram.outbox.completion import complete
from efir.telegram.outbox.message_types import IncompleteMessage, OutgoingMessage

P = ParamSpec("P")
# The composed message of a claim, or the exception that was raised instead.
ComposeResult: TypeAlias = OutgoingMessage | Exception

# How often an empty queue is polled.
IDLE_S = 0.4
# The wait after a failure of the database.
RECOVER_S = 1.0
# The wait until a rejected token is tried again.
VERIFY_AGAIN_S = 5.0
# Fewer than the connections of `BotApi`: replies and notices need some, too.
CONCURRENCY = 100
# This much work is claimed ahead of its slots, which hides the time of the claim. A crash affects no more than this.
CLAIM_AHEAD_S = 0.4

log = structlog.get_logger(__name__)


class Sender:
    """Sends the outbox during the terms of the lease. Calls in progress when a term ends are still finished."""

    def __init__(self, api: BotApi, limiter: RateLimiter, holder: UUID) -> None:
        self._api = api
        self._limiter = limiter
        self._holder = holder
        self._claim_ahead = max(1, math.ceil(CLAIM_AHEAD_S / limiter.interval_s))
        self._waiting_for_slot = 0
        self._calls: set[asyncio.Task[None]] = set()
        # Attempts of this process without a written outcome. `claims.recover` must not requeue them.
        self._attempts: set[UUID] = set()
        # Person → when their chat is free again. Their messages are not claimed earlier.
        self._busy: dict[int, float] = {}
        self._note_order = asyncio.Lock()
        self._errors = ThrottledErrorLog(log, "sender_failed")
        self._is_recovered = False
        self._is_token_verified = False
        self._verify_token_at = 0.0

    async def run(self, term: LeaseTerm) -> None:
        """Send what is due until the term is over."""
        self._is_token_verified = self._is_recovered = False
        while not term.over:
            try:
                if not self._is_token_verified or self._is_doubtful():
                    await self._verify_token(term)
                elif paused_s := self._limiter.paused_s:
                    await term.wait(min(paused_s, RECOVER_S))
                elif not (room := self._room()):
                    await term.wait(min(self._limiter.interval_s, IDLE_S))
                elif not await self._start_calls(room, term):
                    await term.wait(self._idle_s())
            except Exception:  # for example, the database is unreachable: the queue stays in it
                self._errors.failed()
                self._is_recovered = False
                await term.wait(RECOVER_S)
            else:
                self._errors.succeeded()

    async def drain(self, seconds: float) -> None:
        """Wait for the calls that are in progress. Cancel the rest after `seconds`: their outcome is unknown."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=seconds)
        for call in list(self._calls):
            call.cancel()

    def _is_doubtful(self) -> bool:
        """Return whether to ask for the bot's name because the last call, of any part, failed."""
        return self._api.is_in_doubt and asyncio.get_running_loop().time() >= self._verify_token_at

    async def _verify_token(self, term: LeaseTerm) -> None:
        """Ask Telegram for the bot's name. If that fails, nothing can be sent, and the health gets the reason."""
        loop = asyncio.get_running_loop()
        if await term.wait(max(self._verify_token_at - loop.time(), 0)):
            return
        self._verify_token_at = loop.time() + VERIFY_AGAIN_S
        try:
            username = await term.run(self._api.username())
        except BotApiError as exc:
            decision = classify_outcome(exc)
            self._apply_limits(decision)
            log.warning(
                "bot_not_reached", outcome=type(decision).__name__, error=getattr(decision, "error", None)
            )
            match decision:
                case RateLimited(seconds, _):  # Telegram was reached
                    await self._limiter.apply_retry_after(seconds)
                case TokenRejected(error):
                    await in_thread(lease.mark_token_rejected, error)
                case _:
                    self._is_token_verified = False
                    await in_thread(lease.mark_unreachable, without_token(exc.description))
            return
        if username is not None:
            await in_thread(lease.mark_token_accepted, username)
            self._is_token_verified = True

    def _room(self) -> int:
        return min(self._claim_ahead - self._waiting_for_slot, CONCURRENCY - len(self._calls))

    async def _start_calls(self, room: int, term: LeaseTerm) -> bool:
        """Claim up to `room` calls and start them. Return False if nothing was due."""
        if not self._is_recovered:
            # The term is new or the database was unreachable: there may be a committed claim that this process does not
            # know.
            await in_thread(claims.recover, self._holder, frozenset(self._attempts))
            self._is_recovered = True
        now = asyncio.get_running_loop().time()
        self._busy = {person_id: free_at for person_id, free_at in self._busy.items() if free_at > now}
        claimed = await in_thread(_claim_and_compose, room, self._holder, list(self._busy))
        for claim, message in claimed:
            self._attempts.add(claim.attempt_id)
            self._busy[claim.person_id] = math.inf
            self._waiting_for_slot += isinstance(message, OutgoingMessage)
            # Tasks start in this order, so the slots are given in this order.
            call = asyncio.create_task(self.deliver(claim, message, term))
            self._calls.add(call)
            call.add_done_callback(partial(self._on_finished, claim))
        return bool(claimed)

    def _on_finished(self, claim: Claim, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        self._busy[claim.person_id] = self._limiter.chat_free_at(claim.chat_id)
        if call.cancelled():
            return
        if error := call.exception():
            log.error("outcome_not_written", message_id=claim.messages[0].pk, exc_info=error)
        else:
            self._attempts.discard(claim.attempt_id)

    async def deliver(self, claim: Claim, message: ComposeResult, term: LeaseTerm) -> None:
        """Make the call of a claim in its slot, and write the outcome.

        A claim is committed as `sending` with an empty text. The text is written right before the call. So a row
        without a text was surely not sent, and a crash never hides that a message may have arrived.
        """
        try:
            if isinstance(message, DatabaseError):
                return await retry_until_written(claims.release, claim)
            if isinstance(message, Exception):
                return await retry_until_written(complete, claim, _uncomposed(message))
            try:
                has_slot = await self._limiter.acquire(claim.chat_id, term)
            finally:
                self._waiting_for_slot -= 1
            if not has_slot:
                return await retry_until_written(claims.release, claim)
            try:
                # One at a time, so that the calls stay in the order of their slots.
                async with self._note_order:
                    is_ours = await in_thread(claims.mark_sending, claim, message.text)
            except DatabaseError:  # without the note no call may be made
                return await retry_until_written(claims.release, claim)
            if not is_ours:
                return None
            if not await self._limiter.confirm(claim.chat_id):
                return await retry_until_written(claims.release, claim)
            started = time.monotonic()
            decision = await self._api.send_and_classify(claim.chat_id, message.text, message.buttons)
            metrics.CALL.observe(time.monotonic() - started)
            metrics.SENDS.labels(type(decision).__name__).inc()
            self._apply_limits(decision)
            await retry_until_written(complete, claim, decision, message.text)
        except Exception as exc:  # it is not known how far the delivery got
            log.exception("delivery_failed", message_id=claim.messages[0].pk)
            await retry_until_written(complete, claim, OutcomeUnknown(type(exc).__name__))

    def _apply_limits(self, decision: Decision) -> None:
        """Hold the whole queue if Telegram says to wait or rejects the token."""
        if isinstance(decision, RateLimited):
            self._limiter.pause(decision.seconds)
            log.warning("rate_limited", seconds=decision.seconds)
        if isinstance(decision, TokenRejected):
            self._is_token_verified = False
            self._verify_token_at = asyncio.get_running_loop().time() + VERIFY_AGAIN_S
            log.error("bot_rejected", error=decision.error)

    def _idle_s(self) -> float:
        """Return the seconds until a busy chat is free again, or until the queue is to be looked at."""
        soonest = min(self._busy.values(), default=math.inf)
        return max(0.0, min(IDLE_S, soonest - asyncio.get_running_loop().time()))


def _uncomposed(failure: Exception) -> Decision:
    if isinstance(failure, IncompleteMessage):  # its data may be available later
        return NotSent(f"held back: {failure}")
    return MessageRefused(f"not composed: {type(failure).__name__}")


def _claim_and_compose(limit: int, holder: UUID, busy: Collection[int]) -> list[tuple[Claim, ComposeResult]]:
    composed: list[tuple[Claim, ComposeResult]] = []
    for claim in claims.claim(limit, holder, busy):
        try:
            composed.append((claim, claim.compose()))
        except IncompleteMessage as exc:
            log.warning("message_held_back", message_id=claim.messages[0].pk, reason=str(exc))
            composed.append((claim, exc))
        except Exception as exc:  # a message that cannot be composed must not stop the others
            log.warning("compose_failed", message_id=claim.messages[0].pk, exc_info=True)
            composed.append((claim, exc))
    return composed


async def retry_until_written(work: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    """Call `work` in a thread until the database accepts it: only this process knows the outcome.

    Raises DataError and IntegrityError, because trying again cannot help.
    """
    delay_s = 0.2
    while True:
        try:
            return await in_thread(work, *args, **kwargs)
        except (DataError, IntegrityError):
            raise
        except DatabaseError:
            log.warning("outcome_not_written_yet", again_in_s=delay_s)
        await asyncio.sleep(delay_s)
        delay_s = min(delay_s * 2, 5.0)
