"""How sending is doing, for `/healthz`."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings

from efir import clock
from efir.telegram import lease

FRESH = timedelta(seconds=15)


def telegram_health() -> str:
    """`ok`, `not_configured`, `dispatcher_down` (nobody holds the bot's lease) or `bot_rejected` (a wrong token)."""
    if not settings.EFIR.telegram_token:
        return "not_configured"
    state = lease.state().first()
    alive = state and state.holder and state.heartbeat_at and state.heartbeat_at > clock.now() - FRESH
    if not state or not alive:
        return "dispatcher_down"
    return "bot_rejected" if state.fault else "ok"
