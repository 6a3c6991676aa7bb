"""The health of the bot, for `/healthz` and for pages that show messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from efir.lib import clock
from efir.telegram.bot import lease

# Several renewals of the lease: a dispatcher without a heartbeat for longer has died.
FRESH = timedelta(seconds=15)


class BotState(models.TextChoices):
    """Whether the bot can send. The label says what prevents it."""

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
    BOT_UNREACHABLE = (
        "bot_unreachable",
        _(
            "Telegram сейчас недоступен, поэтому ничего не отправляется. Сообщения не потеряются: они уйдут сами, как "
            "только связь восстановится."
        ),
    )
    CLOCK_SET_BACK = (
        "clock_set_back",
        _(
            "Часы сервера перевели назад. Сообщения отправляются, но время в записях может быть неверным: пусть "
            "администратор проверит часы."
        ),
    )


@dataclass(frozen=True, slots=True)
class BotHealth:
    """The state of the bot. `fault` says why nothing can be sent, or until when the clock is wrong."""

    state: BotState
    fault: str = ""


def bot_health() -> BotHealth:
    """Return the health of the bot, with one query."""
    if not settings.EFIR.telegram_token:
        return BotHealth(BotState.NOT_CONFIGURED)
    row, now = lease.state().first(), clock.now()
    # A heartbeat from the future was written before the clock was set back, perhaps by a dispatcher that is gone.
    if not row or not row.holder or not row.heartbeat_at or abs(now - row.heartbeat_at) >= FRESH:
        return BotHealth(BotState.DISPATCHER_DOWN)
    if row.fault:
        return BotHealth(BotState.BOT_REJECTED if row.is_rejected else BotState.BOT_UNREACHABLE, row.fault)
    if row.clock_back_until and row.clock_back_until > now:
        return BotHealth(BotState.CLOCK_SET_BACK, f"until {clock.iso(row.clock_back_until)}")
    return BotHealth(BotState.OK)
