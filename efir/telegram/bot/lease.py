"""The lease: one process at a time acts for a bot. Telegram's limits are the bot's, and so are its updates."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet

from efir.lib import clock
from efir.telegram.models import DispatcherState

TTL_S = 8.0


def bot_id() -> int:
    """The bot's number: the part of the token before the colon; 0 without a token."""
    return int(settings.EFIR.telegram_token.partition(":")[0] or 0)


def state() -> QuerySet[DispatcherState]:
    """This installation's bot, as a queryset of one row or none."""
    return DispatcherState.objects.filter(bot_id=bot_id())


def acquire(holder: UUID) -> bool:
    """Take the lease if it is free or ours, or renew it; whether it is ours now."""
    now = clock.now()
    if not state().exists():
        DispatcherState.objects.bulk_create([DispatcherState(bot_id=bot_id())], ignore_conflicts=True)
    free = Q(holder=None) | Q(holder=holder) | Q(lease_until__lt=now)
    until = now + timedelta(seconds=TTL_S)
    return bool(state().filter(free).update(holder=holder, lease_until=until, heartbeat_at=now))


def release(holder: UUID) -> None:
    """Give the lease back, so that another process need not wait for its end."""
    state().filter(holder=holder).update(holder=None, lease_until=None)


def force_release() -> None:
    """Free the lease of a process that is certainly gone: the caller holds the lock of the only worker there can be."""
    state().update(holder=None, lease_until=None)


def holds(holder: UUID) -> bool:
    """Whether the lease is ours, and stays so until the end of the caller's transaction."""
    ours = state().select_for_update().filter(holder=holder, lease_until__gt=clock.now())
    return ours.first() is not None


def pause(seconds: float) -> None:
    """The queue is silent for so long, in whichever process; a longer pause stays."""
    until = clock.now() + timedelta(seconds=seconds)
    state().filter(Q(paused_until=None) | Q(paused_until__lt=until)).update(paused_until=until)


def paused_until() -> datetime | None:
    """Until when the queue is silent, as stored."""
    return state().values_list("paused_until", flat=True).first()


def mark_token_rejected(fault: str) -> None:
    """Telegram rejects the token: say so wherever the state is shown."""
    state().update(fault=fault)


def mark_token_accepted(username: str) -> None:
    """Telegram accepts the token and calls the bot so."""
    state().update(fault="", username=username)
