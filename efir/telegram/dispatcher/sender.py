"""Sending: claims, one task for each call, and the writing of what came of it."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Collection
from typing import ParamSpec, TypeAlias
from uuid import UUID

import structlog
from django.db import DataError, IntegrityError
from django.db import Error as DatabaseError

from efir.lib import metrics
from efir.lib.concurrency import in_thread
from efir.lib.log import ThrottledErrorLog
from efir.telegram.bot import lease
from efir.telegram.bot.client import BotApi, BotApiError
from efir.telegram.bot.outcomes import (
    Decision,
    MessageRefused,
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
from efir.telegram.outbox.message_types import OutgoingMessage

P = ParamSpec("P")
Message: TypeAlias = OutgoingMessage | Exception

IDLE_S = 0.4
RECOVER_S = 1.0
# How long until a rejected token is tried again.
ASK_AGAIN_S = 5.0
CALLS_AT_ONCE = 100
# How much is claimed ahead of its moment: a crash gives these back.
AHEAD_S = 0.4

log = structlog.get_logger(__name__)


class Sender:
    """Empties the queue for as long as turns last; what is under way when one ends is still brought to its end."""

    def __init__(self, api: BotApi, pace: RateLimiter, holder: UUID) -> None:
        self._api = api
        self._pace = pace
        self._holder = holder
        self._ahead = max(1, math.ceil(AHEAD_S / pace.interval_s))
        self._waiting = 0
        self._calls: set[asyncio.Task[None]] = set()
        self._busy: dict[int, float] = {}
        self._in_turn = asyncio.Lock()
        self._attempts: set[UUID] = set()
        self._rounds = ThrottledErrorLog(log, "sender_failed")
        self._certain = False
        self._trusted = False
        self._ask_at = 0.0

    async def run(self, turn: LeaseTerm) -> None:
        """Send what is due until the turn is over."""
        self._trusted = self._certain = False
        while not turn.over:
            try:
                await self._round(turn)
            except Exception:  # the database is away, say: what is queued stays there
                self._rounds.failed()
                self._certain = False
                await turn.wait(RECOVER_S)
            else:
                self._rounds.succeeded()

    async def drain(self, seconds: float) -> None:
        """Wait for the calls that are under way; what is not answered in time has an unknown outcome."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=seconds)
        for call in list(self._calls):
            call.cancel()

    async def _round(self, turn: LeaseTerm) -> None:
        if not self._trusted:
            await self._introduce(turn)
        elif self._pace.paused_s:
            await turn.wait(min(self._pace.paused_s, RECOVER_S))
        elif not (room := min(self._ahead - self._waiting, CALLS_AT_ONCE - len(self._calls))):
            await turn.wait(min(self._pace.interval_s, IDLE_S))
        elif not await self._take(room, turn):
            await turn.wait(self._idle_s())

    async def _introduce(self, turn: LeaseTerm) -> None:
        """Ask Telegram who we are: nothing is sent with a token that it rejects."""
        await turn.wait(max(self._ask_at - asyncio.get_running_loop().time(), 0))
        try:
            username = await turn.cut(self._api.username())
        except BotApiError as exc:
            await self._not_introduced(classify_outcome(exc))
        else:
            if username is not None:
                await in_thread(lease.mark_token_accepted, username)
                self._trusted = True

    async def _not_introduced(self, decision: Decision) -> None:
        self._react(decision)
        self._ask_later()
        if isinstance(decision, RateLimited):
            await self._pace.obey(decision.seconds)
        error = getattr(decision, "error", None)
        log.warning("bot_not_reached", outcome=type(decision).__name__, error=error)
        if isinstance(decision, TokenRejected):
            await in_thread(lease.mark_token_rejected, decision.error)

    async def _take(self, room: int, turn: LeaseTerm) -> bool:
        if not self._certain:  # what is claimed: the turn is new, or the database was away
            await in_thread(claims.recover, self._holder, frozenset(self._attempts))
            self._certain = True
        taken = await in_thread(_composed_claims, room, self._holder, self._still_busy())
        for claimed, message in taken:
            self._attempts.add(claimed.attempt_id)
            self._busy[claimed.person_id] = math.inf
            self._waiting += isinstance(message, OutgoingMessage)
            # They begin in this order, and so get their moments in this order.
            call = asyncio.create_task(self._deliver(claimed, message, turn))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
        return bool(taken)

    async def _deliver(self, claimed: Claim, message: Message, turn: LeaseTerm) -> None:
        try:
            await self._carry_out(claimed, message, turn)
            self._attempts.discard(claimed.attempt_id)
        finally:
            self._busy[claimed.person_id] = self._pace.chat_free_at(claimed.chat_id)

    async def _carry_out(self, claimed: Claim, message: Message, turn: LeaseTerm) -> None:
        try:
            if not isinstance(message, OutgoingMessage):
                await retry_until_written(_give_up, claimed, message)
            elif await self._its_moment(claimed, turn):
                await self._send(claimed, message)
            else:
                await retry_until_written(claims.release, claimed)
        except Exception as exc:  # nobody knows how far it came: the policy of uncertain outcomes decides
            log.exception("delivery_failed", message_id=claimed.messages[0].pk)
            await retry_until_written(complete, claimed, OutcomeUnknown(type(exc).__name__))

    async def _its_moment(self, claimed: Claim, turn: LeaseTerm) -> bool:
        """Wait for it; False where the message is not to be sent now."""
        try:
            return await self._pace.slot(claimed.chat_id, turn)
        finally:
            self._waiting -= 1

    async def _send(self, claimed: Claim, message: OutgoingMessage) -> None:
        try:
            async with self._in_turn:  # noted one after another, calls stay in the order of their moments
                begun = await in_thread(claims.mark_sending, claimed, message.text)
        except DatabaseError:  # no call is made that is not noted
            return await retry_until_written(claims.release, claimed)
        if not begun:
            return None
        if not await self._pace.gate(claimed.chat_id):
            return await retry_until_written(claims.release, claimed)
        return await self._call(claimed, message)

    async def _call(self, claimed: Claim, message: OutgoingMessage) -> None:
        began = time.monotonic()
        try:
            decision = classify_outcome(await self._api.send(claimed.chat_id, message.text, message.buttons))
        except Exception as exc:  # whatever it is, the row must not stay in `sending`
            decision = classify_outcome(exc)
        metrics.CALL.observe(time.monotonic() - began)
        metrics.SENDS.labels(type(decision).__name__).inc()
        self._react(decision)
        await retry_until_written(complete, claimed, decision, message.text)

    def _react(self, decision: Decision) -> None:
        if isinstance(decision, RateLimited):
            self._pace.pause(decision.seconds)
            log.warning("told_to_wait", seconds=decision.seconds)
        if isinstance(decision, TokenRejected):
            self._trusted = False
            self._ask_later()
            log.error("bot_rejected", error=decision.error)

    def _ask_later(self) -> None:
        self._ask_at = asyncio.get_running_loop().time() + ASK_AGAIN_S

    def _still_busy(self) -> list[int]:
        now = asyncio.get_running_loop().time()
        self._busy = {person_id: free_at for person_id, free_at in self._busy.items() if free_at > now}
        return list(self._busy)

    def _idle_s(self) -> float:
        """Until somebody's chat is free again, or new work may have come."""
        soonest = min(self._busy.values(), default=math.inf)
        return max(0.0, min(IDLE_S, soonest - asyncio.get_running_loop().time()))


def _composed_claims(limit: int, holder: UUID, busy: Collection[int]) -> list[tuple[Claim, Message]]:
    """Claim what is due, each with what it will say, or with what went wrong."""
    return [(claimed, _composed(claimed)) for claimed in claims.claim(limit, holder, busy)]


def _composed(claimed: Claim) -> Message:
    try:
        return claimed.compose()
    except Exception as exc:  # a message that cannot be made must not stop the others
        log.warning("compose_failed", message_id=claimed.messages[0].pk, exc_info=True)
        return exc


def _give_up(claimed: Claim, problem: Exception) -> None:
    """Without a message nothing is sent: now, where the database is away; for good, where it cannot be made."""
    if isinstance(problem, DatabaseError):
        claims.release(claimed)
    else:
        complete(claimed, MessageRefused(f"not composed: {type(problem).__name__}"))


async def retry_until_written(work: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    """Write to the database however long it is away: what came of a call is known here alone.

    Raises DataError and IntegrityError: what the database will never take.
    """
    delay_s = 0.2
    while True:
        try:
            return await in_thread(work, *args, **kwargs)
        except (DataError, IntegrityError):
            raise
        except DatabaseError:
            pass
        log.warning("outcome_not_written_yet", again_in_s=delay_s)
        await asyncio.sleep(delay_s)
        delay_s = min(delay_s * 2, 5.0)
