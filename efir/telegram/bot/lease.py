"""The lease: one process at a time acts for a bot, because Telegram's limits and the updates are the bot's."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet

from efir.lib import clock
from efir.telegram.models import DispatcherState

# Short enough for a takeover within ten seconds, long enough for a few failed renewals.
TTL_S = 8.0


def bot_id() -> int:
    """Return the bot's id: the part of the token before the colon, 0 without a token."""
    return int(settings.EFIR.telegram_token.partition(":")[0] or 0)


def state() -> QuerySet[DispatcherState]:
    """Return the state of this installation's bot as a queryset of one row or none."""
    return DispatcherState.objects.filter(bot_id=bot_id())


def acquire(holder: UUID) -> bool:
    """Acquire the lease if it is free, or renew it if it is ours. Return whether it is ours now."""
    now = clock.now()
    if not state().exists():
        DispatcherState.objects.bulk_create([DispatcherState(bot_id=bot_id())], ignore_conflicts=True)
    free = Q(holder=None) | Q(holder=holder) | Q(lease_until__lt=now)
    until = now + timedelta(seconds=TTL_S)
    return bool(state().filter(free).update(holder=holder, lease_until=until, heartbeat_at=now))


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
    state().update(fault=fault)


def mark_token_accepted(username: str) -> None:
    """Store that Telegram accepts the token, and the bot's username."""
    state().update(fault="", username=username)
