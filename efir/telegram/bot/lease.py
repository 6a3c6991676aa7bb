"""The lease: one process at a time acts for a bot, because Telegram's limits and the updates are the bot's."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db.models import F, Q, QuerySet

from efir.lib import clock
from efir.telegram.models import DispatcherState

# Short enough for a takeover within ten seconds, long enough for a few failed renewals.
TTL_S = 8.0
# A heartbeat so far ahead was written before the clock was set back. All processes follow one clock to milliseconds.
CLOCK_TOLERANCE = timedelta(seconds=5)
# Limits how long it is reported, if the clock was a year ahead for a moment.
LONGEST_CLOCK_ALARM = timedelta(days=1)

log = structlog.get_logger(__name__)


@dataclass
class Observation:
    """The end of a lease as last seen, and since when, by this machine's monotonic clock.

    A running holder moves the end every few seconds. If it stays the same for longer than a lease lasts, the holder is
    gone, even if the database's clock was set back and the end is an hour ahead.
    """

    lease_until: datetime | None = None
    since: float = 0.0

    def is_stale(self, lease_until: datetime | None) -> bool:
        """Note the end of the lease. Return whether it has stayed the same for too long."""
        now = time.monotonic()
        if lease_until != self.lease_until:
            self.lease_until, self.since = lease_until, now
        return lease_until is not None and now - self.since > TTL_S


def bot_id() -> int:
    """Return the bot's id: the part of the token before the colon, 0 without a token."""
    return int(settings.EFIR.telegram_token.partition(":")[0] or 0)


def state() -> QuerySet[DispatcherState]:
    """Return the state of this installation's bot as a queryset of one row or none."""
    return DispatcherState.objects.filter(bot_id=bot_id())


def acquire(holder: UUID, observation: Observation | None = None) -> bool:
    """Acquire the lease if it is free, or renew it if it is ours. Return whether it is ours now.

    `observation`: what this process has seen of the lease so far; it is updated.
    """
    now = clock.now()
    seen = state().first()
    if seen is None:
        DispatcherState.objects.bulk_create([DispatcherState(bot_id=bot_id())], ignore_conflicts=True)
    free = Q(holder=None) | Q(holder=holder) | Q(lease_until__lt=now)
    if seen and observation and observation.is_stale(seen.lease_until):
        free |= Q(lease_until=seen.lease_until)
    until = now + timedelta(seconds=TTL_S)
    is_ours = bool(state().filter(free).update(holder=holder, lease_until=until, heartbeat_at=now))
    if is_ours and seen and seen.heartbeat_at and seen.heartbeat_at > now + CLOCK_TOLERANCE:
        _on_clock_set_back(seen.heartbeat_at - now)
    return is_ours


def _on_clock_set_back(step: timedelta) -> None:
    """Move the pause by the step, so that it lasts as long as Telegram asked, and note the step for the health."""
    log.error("clock_set_back", seconds=round(step.total_seconds()))
    state().filter(paused_until__isnull=False).update(paused_until=F("paused_until") - step)
    state().update(clock_back_until=clock.now() + min(step, LONGEST_CLOCK_ALARM))


def release(holder: UUID) -> None:
    """Release the lease, so that another process need not wait until it runs out."""
    state().filter(holder=holder).update(holder=None, lease_until=None)


def force_release() -> None:
    """Release the lease of a process that is gone. The caller must hold the lock of the only worker there can be."""
    state().update(holder=None, lease_until=None)


def holds(holder: UUID) -> bool:
    """Return whether the lease is ours. If it is, it stays so until the end of the caller's transaction."""
    ours = state().select_for_update().filter(holder=holder, lease_until__gt=clock.now())
    return ours.first() is not None


def pause(seconds: float) -> None:
    """Pause the queue of whichever process acts for the bot; a longer pause stays."""
    until = clock.now() + timedelta(seconds=seconds)
    state().filter(Q(paused_until=None) | Q(paused_until__lt=until)).update(paused_until=until)


def paused_until() -> datetime | None:
    """Return until when the queue is paused."""
    return state().values_list("paused_until", flat=True).first()


def mark_token_rejected(fault: str) -> None:
    """Store that Telegram rejects the token. `fault` is what Telegram says."""
    state().update(fault=fault, is_rejected=True)


def mark_unreachable(fault: str) -> None:
    """Store that Telegram cannot be reached. `fault` is the error."""
    state().update(fault=fault or "no reason given", is_rejected=False)


def mark_token_accepted(username: str) -> None:
    """Store that Telegram accepts the token, and the bot's username."""
    state().update(fault="", is_rejected=True, username=username)
