"""One-time links that link a person to their Telegram chat."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from efir.accounts.access_cache import read_access
from efir.accounts.models import Person, Session
from efir.lib import clock
from efir.lib.compiled_query import CompiledQuery, Parameter, columns_of, object_from
from efir.telegram.bot import lease
from efir.telegram.bot.client import BotApi, BotApiError
from efir.telegram.models import LinkToken, TelegramChat

# A person waits for the page.
ASK_WITHIN_S = 3.0
# Linking takes a minute; a link that is found later, in a browser history or a photo, must be invalid.
EXPIRES_AFTER = timedelta(minutes=15)


class BotUnknown(Exception):
    """Raised if no link can be made: there is no bot, or its username is not known."""


def make_link(person: Person, session_key: str) -> str:
    """Make an address that links the person's Telegram once, within 15 minutes. Raises BotUnknown.

    It ends earlier with the session, which a logout, a new password or a closed account ends.
    """
    if not settings.EFIR.telegram_token:
        raise BotUnknown
    # Right after the start the dispatcher may not have stored the username yet.
    username = lease.state().values_list("username", flat=True).first() or asyncio.run(_ask_username())
    token = secrets.token_urlsafe(24)
    LinkToken.objects.create(
        person=person,
        token_hash=hash_of(token),
        session_hash=hash_of(session_key),
        expires_at=clock.now() + EXPIRES_AFTER,
    )
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


def find_token(token: str) -> LinkToken | None:
    """Return the row of a token that can be used now, with its person; None otherwise.

    The person is locked until the caller's transaction ends, so that no password changes before the token is used.
    """
    return _find(LinkToken.objects.filter(token_hash=hash_of(token)))


def ask_before_use(token: LinkToken, chat_id: int) -> None:
    """Note that this chat is asked whether to use the token. An earlier question in the chat ends."""
    LinkToken.objects.filter(asked_chat_id=chat_id).update(asked_chat_id=None)
    LinkToken.objects.filter(pk=token.pk).update(asked_chat_id=chat_id)


def find_asked(chat_id: int) -> LinkToken | None:
    """Return the row of the token that this chat was asked about last, as `find_token` does."""
    return _find(LinkToken.objects.filter(asked_chat_id=chat_id))


def _find(tokens: QuerySet[LinkToken]) -> LinkToken | None:
    fresh = tokens.filter(used_at=None, expires_at__gt=clock.now())
    locked = fresh.select_for_update(no_key=True, of=("self", "person"))
    found = locked.select_related("person").first()
    return found if found and _session_is_valid(found) else None


def use_token(token: LinkToken) -> bool:
    """Mark the token as used. Return whether this call did it."""
    unused = LinkToken.objects.filter(pk=token.pk, used_at=None)
    return bool(unused.update(used_at=clock.now()))


def _session_is_valid(token: LinkToken) -> bool:
    keys = Session.objects.filter(person=token.person_id).values_list("session_key", flat=True)
    asked = [key for key in keys if hash_of(key) == token.session_hash]
    return bool(read_access(asked))


def hash_of(token: str) -> str:
    """Return what is stored of a token or a session's key: its SHA-256 in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


def chat_of(person: Person) -> TelegramChat | None:
    """Return the person's chat, reachable or not."""
    found = _CHAT_OF.rows(person_id=person.pk)
    return object_from(TelegramChat, found[0]) if found else None


def _chat_of() -> QuerySet[TelegramChat, tuple[Any, ...]]:
    chats = TelegramChat.objects.filter(person_id=Parameter("person_id", TelegramChat, "person"))
    return chats.values_list(*columns_of(TelegramChat))


_CHAT_OF = CompiledQuery(_chat_of)
