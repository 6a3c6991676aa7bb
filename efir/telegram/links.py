"""Inviting a person to link their Telegram, and what is known of the link."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from efir import clock
from efir.accounts.models import Person
from efir.telegram import lease
from efir.telegram.models import LinkToken, TelegramChat

TOKEN_LIVES = timedelta(hours=24)


class BotUnknown(Exception):
    """There is no bot, or Telegram has not told its name yet: no link can be made."""


def make_link(person: Person) -> str:
    """A fresh address that links the person's Telegram once, within 24 hours. Raises BotUnknown."""
    username = lease.state().values_list("username", flat=True).first()
    if not lease.bot_id() or not username:
        raise BotUnknown
    token = secrets.token_urlsafe(24)
    LinkToken.objects.create(person=person, token_hash=hash_of(token), expires_at=clock.now() + TOKEN_LIVES)
    return f"https://t.me/{username}?start={token}"


def hash_of(token: str) -> str:
    """What is stored of a token: its SHA-256 in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


def chat_of(person: Person) -> TelegramChat | None:
    """The person's chat, reachable or not."""
    return TelegramChat.objects.filter(person=person).first()


def unlink(person: Person) -> bool:
    """Forget the person's chat; whether there was one. What is queued for them waits for a new link."""
    return bool(TelegramChat.objects.filter(person=person).delete()[0])
