"""How sending is doing, for `/healthz` and for those who look at messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings

from efir.lib import clock
from efir.telegram.bot import lease

FRESH = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class BotHealth:
    """One of `ok`, `not_configured`, `dispatcher_down` (nobody holds the bot's lease) and `bot_rejected` (a wrong
    token; `fault` is what Telegram says of it)."""

    state: str
    fault: str = ""


def bot_health() -> BotHealth:
    """How the bot is, with one query."""
    if not settings.EFIR.telegram_token:
        return BotHealth("not_configured")
    state = lease.state().first()
    alive = state and state.holder and state.heartbeat_at and state.heartbeat_at > clock.now() - FRESH
    if not state or not alive:
        return BotHealth("dispatcher_down")
    return BotHealth("bot_rejected", state.fault) if state.fault else BotHealth("ok")


def telegram_health() -> str:
    """The state alone, in one word."""
    return bot_health().state
