"""The health of the bot, for `/healthz` and for pages that show messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from efir.lib import clock
from efir.telegram.bot import lease

# Several renewals of the lease: a dispatcher that is silent for longer is gone.
FRESH = timedelta(seconds=15)


class BotState(models.TextChoices):
    """Whether the bot can send. The label says what keeps it from sending."""

    OK = "ok", ""
    NOT_CONFIGURED = (
        "not_configured",
        _("Telegram не подключён к сайту: сообщения подождут, пока администратор не подключит бота."),
    )
    DISPATCHER_DOWN = (
        "dispatcher_down",
        _(
            "Отправка сейчас не работает. Сообщения не потеряются: они уйдут сами, как только администратор запустит "
            "её."
        ),
    )
    BOT_REJECTED = (
        "bot_rejected",
        _(
            "Telegram не принимает токен бота, поэтому ничего не отправляется. Сообщения не потеряются: они уйдут "
            "сами, как только администратор исправит токен."
        ),
    )


@dataclass(frozen=True, slots=True)
class BotHealth:
    """The state of the bot. `fault` is what Telegram says of the token if it rejects the token."""

    state: BotState
    fault: str = ""


def bot_health() -> BotHealth:
    """Return the health of the bot, with one query."""
    if not settings.EFIR.telegram_token:
        return BotHealth(BotState.NOT_CONFIGURED)
    row = lease.state().first()
    if not row or not row.holder or not row.heartbeat_at or row.heartbeat_at <= clock.now() - FRESH:
        return BotHealth(BotState.DISPATCHER_DOWN)
    return BotHealth(BotState.BOT_REJECTED, row.fault) if row.fault else BotHealth(BotState.OK)
