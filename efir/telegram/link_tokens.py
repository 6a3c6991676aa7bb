"""Inviting a person to link their Telegram, and what is known of the link."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from datetime import timedelta

from django.conf import settings

from efir.accounts.models import Person
from efir.lib import clock
from efir.telegram.bot import lease
from efir.telegram.bot.client import BotApi, BotApiError
from efir.telegram.models import LinkToken, TelegramChat

# Somebody waits for the page.
ASK_WITHIN_S = 3.0
TOKEN_LIVES = timedelta(hours=24)


class BotUnknown(Exception):
    """There is no bot, or Telegram does not tell its name: no link can be made."""


def make_link(person: Person) -> str:
    """A fresh address that links the person's Telegram once, within 24 hours. Raises BotUnknown."""
    username = _username()
    token = secrets.token_urlsafe(24)
    LinkToken.objects.create(person=person, token_hash=hash_of(token), expires_at=clock.now() + TOKEN_LIVES)
    return f"https://t.me/{username}?start={token}"


def _username() -> str:
    """The bot's name as the dispatcher learned it; right after a start it may not have got to that yet."""
    if not settings.EFIR.telegram_token:
        raise BotUnknown
    return lease.state().values_list("username", flat=True).first() or asyncio.run(_asked())


async def _asked() -> str:
    api = BotApi(settings.EFIR.telegram_token, settings.EFIR.telegram_api)
    try:
        async with asyncio.timeout(ASK_WITHIN_S):
            return await api.username()
    except (BotApiError, TimeoutError) as exc:
        raise BotUnknown from exc
    finally:
        await api.close()


def hash_of(token: str) -> str:
    """What is stored of a token: its SHA-256 in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


def chat_of(person: Person) -> TelegramChat | None:
    """The person's chat, reachable or not."""
    return TelegramChat.objects.filter(person=person).first()


def unlink(person: Person) -> bool:
    """Forget the person's chat; whether there was one. What is queued for them waits for a new link."""
    return bool(TelegramChat.objects.filter(person=person).delete()[0])
