"""One-time links that link a person to their Telegram chat."""

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

# A person waits for the page.
ASK_WITHIN_S = 3.0
EXPIRES_AFTER = timedelta(hours=24)


class BotUnknown(Exception):
    """No link can be made: there is no bot, or its username is not known."""


def make_link(person: Person) -> str:
    """Make an address that links the person's Telegram once, within 24 hours. Raises BotUnknown."""
    if not settings.EFIR.telegram_token:
        raise BotUnknown
    # Right after a start the dispatcher may not have stored it yet.
    username = lease.state().values_list("username", flat=True).first() or asyncio.run(_ask_username())
    token = secrets.token_urlsafe(24)
    LinkToken.objects.create(person=person, token_hash=hash_of(token), expires_at=clock.now() + EXPIRES_AFTER)
    return f"https://t.me/{username}?start={token}"


async def _ask_username() -> str:
    api = BotApi(settings.EFIR.telegram_token, settings.EFIR.telegram_api)
    try:
        async with asyncio.timeout(ASK_WITHIN_S):
            username = await api.username()
    except (BotApiError, TimeoutError) as exc:
        raise BotUnknown from exc
    finally:
        await api.close()
    if not username:
        raise BotUnknown
    return username


def hash_of(token: str) -> str:
    """Return what is stored of a token: its SHA-256 in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


def chat_of(person: Person) -> TelegramChat | None:
    """Return the person's chat, reachable or not."""
    return TelegramChat.objects.filter(person=person).first()


def unlink(person: Person) -> bool:
    """Delete the person's chat; messages for them wait for a new link. Return whether there was one."""
    return bool(TelegramChat.objects.filter(person=person).delete()[0])
