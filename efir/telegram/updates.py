"""What an update from Telegram does. Each takes effect once; of strangers nothing is kept but its number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from html import escape
from typing import Any

import structlog
from django.conf import settings
from django.db import DataError, transaction
from django.utils import translation
from django.utils.translation import gettext

from efir.accounts.models import Person
from efir.lib import clock
from efir.telegram.bot import lease
from efir.telegram.link_tokens import hash_of
from efir.telegram.models import BotUpdate, LinkToken, TelegramChat
from efir.telegram.outbox.enqueue import release_for_link
from efir.telegram.outbox.message_types import OutgoingMessage

# After a week of silence Telegram begins a new count, perhaps below the old one.
OFFSET_LIVES = timedelta(days=6)

Json = dict[str, Any]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the bot answers in the chat: HTML of the Bot API, and buttons as (label, absolute address).

    `seldom`: it answers no command, so that nobody needs it twice in a minute.
    """

    chat_id: int
    text: str
    buttons: tuple[tuple[str, str], ...] = ()
    seldom: bool = False

    def composed(self) -> OutgoingMessage:
        """The answer as Telegram takes it."""
        return OutgoingMessage(self.text, self.buttons).acceptable()


def next_offset() -> int | None:
    """The first update that has not taken effect; None where Telegram is to begin with what it has."""
    known = lease.state().filter(offset_at__gt=clock.now() - OFFSET_LIVES)
    return known.values_list("next_offset", flat=True).first()


def process_update(update: Json) -> Reply | None:
    """Let an update take effect and move the offset past it, in one transaction; what to answer, if anything."""
    update_id = int(update["update_id"])
    now = clock.now()
    with transaction.atomic():
        seen = BotUpdate.objects.get_or_create(
            bot_id=lease.bot_id(), update_id=update_id, defaults={"seen_at": now}
        )
        lease.state().update(next_offset=update_id + 1, offset_at=now)
        return _handle_safely(update) if seen[1] else None


def _handle_safely(update: Json) -> Reply | None:
    """An update in a shape that nobody expects has no effect, but does not block those after it."""
    try:
        with transaction.atomic(), translation.override(settings.LANGUAGE_CODE):
            return _handle_update(update)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, DataError):
        log.exception("update_not_understood", update_id=update["update_id"])
        return None


def _handle_update(update: Json) -> Reply | None:
    if membership := update.get("my_chat_member"):
        if membership["chat"]["type"] == "private":
            _on_membership(membership["chat"]["id"], membership["new_chat_member"]["status"])
        return None
    message = update.get("message")
    if not message or message["chat"]["type"] != "private":
        return None
    return _on_message(message["chat"]["id"], str(message.get("text") or ""))


def _on_membership(chat_id: int, status: str) -> None:
    if status == "kicked":
        TelegramChat.objects.filter(chat_id=chat_id).update(reachable=False, unreachable_reason="blocked")
    elif status == "member":
        _reopen(chat_id)


def _on_message(chat_id: int, text: str) -> Reply:
    command, _, rest = text.partition(" ")
    command = command.partition("@")[0].lower()
    if command == "/start" and rest.strip():
        return _on_token(chat_id, rest.strip())
    if command == "/stop":
        return _on_stop(chat_id)
    if command == "/start":
        return _greet(chat_id)
    return _explain(chat_id)


def _on_token(chat_id: int, token: str) -> Reply:
    """`/start <token>`: link the chat, unless the token is unknown, used or too old."""
    now = clock.now()
    fresh = LinkToken.objects.filter(token_hash=hash_of(token), used_at=None, expires_at__gt=now)
    invitation = fresh.select_related("person").filter(person__is_active=True).first()
    if invitation is None or not fresh.update(used_at=now):
        return _greet(chat_id)
    link(invitation.person, chat_id)
    text = gettext(
        "Готово, %(name)s! Telegram привязан: сюда придёт всё важное о ваших вебинарах.\n\n"
        "Если передумаете, отправьте /stop."
    )
    return Reply(chat_id, text % _named(invitation.person))


def link(person: Person, chat_id: int) -> None:
    """Link a chat to a person, off whomever and from wherever it was; what waited for that goes on."""
    with transaction.atomic():
        TelegramChat.objects.filter(chat_id=chat_id).exclude(person=person).delete()
        fields = {
            "chat_id": chat_id,
            "linked_at": clock.now(),
            "reachable": True,
            "unreachable_reason": "",
        }
        TelegramChat.objects.update_or_create(person=person, defaults=fields)
        # A link that somebody else saw on a screen is of no use from now on.
        LinkToken.objects.filter(person=person, used_at=None).update(used_at=clock.now())
        release_for_link(person)
    log.info("telegram_linked", person_id=person.pk)


def _reopen(chat_id: int) -> TelegramChat | None:
    """Whoever writes to the bot can be reached; their chat, if somebody is linked to it."""
    chat = TelegramChat.objects.select_related("person").filter(chat_id=chat_id).first()
    if chat is not None and not chat.reachable:
        chat.reachable, chat.unreachable_reason = True, ""
        chat.save(update_fields=["reachable", "unreachable_reason"])
        release_for_link(chat.person)
        log.info("telegram_reopened", person_id=chat.person_id)
    return chat


def _greet(chat_id: int) -> Reply:
    """`/start` without a token that works: say where things stand."""
    chat = _reopen(chat_id)
    if chat is None:
        text = gettext(
            "Здравствуйте! Чтобы получать здесь сообщения о вебинарах, откройте свой аккаунт на сайте и нажмите "
            "«Привязать Telegram». Ссылка оттуда действует сутки и срабатывает один раз; если эта уже не действует, "
            "там же можно взять новую."
        )
        return Reply(chat_id, text, (_account_button(),))
    text = gettext("Всё в порядке, %(name)s: Telegram привязан, ничего делать не нужно.")
    return Reply(chat_id, text % _named(chat.person))


def _on_stop(chat_id: int) -> Reply:
    gone, _ = TelegramChat.objects.filter(chat_id=chat_id).delete()
    if not gone:
        return Reply(chat_id, gettext("Этот чат ни к чему не привязан, сообщений не будет."))
    log.info("telegram_stopped")
    text = gettext("Telegram отвязан, сообщений больше не будет. Вернуться можно в любой момент из аккаунта.")
    return Reply(chat_id, text, (_account_button(),))


def _explain(chat_id: int) -> Reply:
    _reopen(chat_id)
    text = gettext(
        "Спасибо за сообщение! Это автоматический помощник, он пишет сам, но не умеет отвечать. "
        "Контакты для связи есть в вашем аккаунте."
    )
    return Reply(chat_id, text, (_account_button(),), seldom=True)


def _named(person: Person) -> dict[str, str]:
    return {"name": escape(person.name, quote=False)}


def _account_button() -> tuple[str, str]:
    return gettext("Открыть аккаунт"), f"{settings.EFIR.public_url}/account/"
