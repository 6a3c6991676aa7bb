"""Process updates from Telegram, each once. For unknown people only the update's id is stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import structlog
from django.db import DataError, transaction
from django.utils.translation import gettext

from efir.accounts.language import in_language_of
from efir.accounts.models import Person
from efir.hooks.actions import Context, Source
from efir.lib import clock
from efir.telegram.bot import lease
from efir.telegram.link_tokens import ask_before_use, find_asked, find_token, use_token
from efir.telegram.linking import link, unlink
from efir.telegram.models import BotUpdate, LinkToken, TelegramChat, UnreachableReason
from efir.telegram.notices import account_button
from efir.telegram.outbox.enqueue import release_for_link
from efir.telegram.outbox.message_types import OutgoingMessage, escape_line, site_title

# After a week of silence Telegram begins a new count, perhaps below the old one.
OFFSET_EXPIRES_AFTER = timedelta(days=6)

# The answers to a question that people write instead of pressing its button.
YES = frozenset({"да", "yes"})
NO = frozenset({"нет", "no"})

Json = dict[str, Any]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply in the chat: HTML of the Bot API, and buttons as (label, absolute address).

    choices: buttons as (label, data), of which one is to be pressed. callback_id: the press of such a button that this
    answers. seldom: it replies to no command, so it is sent at most once a minute.
    """

    chat_id: int
    text: str
    buttons: tuple[tuple[str, str], ...] = ()
    choices: tuple[tuple[str, str], ...] = ()
    callback_id: str = ""
    seldom: bool = False

    def composed(self) -> OutgoingMessage:
        """Return the answer as Telegram accepts it."""
        return OutgoingMessage(self.text, self.buttons).acceptable()


def next_offset() -> int | None:
    """Return the first update to fetch; None if Telegram is to begin with what it has."""
    known = lease.state().filter(offset_at__gt=clock.now() - OFFSET_EXPIRES_AFTER)
    return known.values_list("next_offset", flat=True).first()


def process_update(update: Json) -> Reply | None:
    """Process an update and move the offset past it, in one transaction. Return the answer, if there is one."""
    update_id = int(update["update_id"])
    now = clock.now()
    with transaction.atomic():
        _, is_new = BotUpdate.objects.get_or_create(
            bot_id=lease.bot_id(), update_id=update_id, defaults={"seen_at": now}
        )
        lease.state().update(next_offset=update_id + 1, offset_at=now)
        if not is_new:
            return None
        try:
            with transaction.atomic(), in_language_of(_sender(update)):
                return handle_update(update)
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError, DataError):
            # An update of an unexpected shape has no effect, but must not block those after it.
            log.exception("update_not_understood", update_id=update_id)
            return None


def _sender(update: Json) -> Person | None:
    """Return the person whose chat the update comes from, or whom its link is for; None if nobody is known."""
    message = update.get("message") or (update.get("callback_query") or {}).get("message") or {}
    text = str(message.get("text") or "")
    if text.startswith("/start ") and (invitation := find_token(text.partition(" ")[2].strip())):
        return invitation.person
    chat_id = (message.get("chat") or {}).get("id")
    chat = TelegramChat.objects.select_related("person").filter(chat_id=chat_id or 0).first()
    return chat.person if chat else None


def handle_update(update: Json) -> Reply | None:
    """Do what a person in a private chat asks for, and note whether the bot can write to the chat."""
    if membership := update.get("my_chat_member"):
        _on_membership(membership)
        return None
    if query := update.get("callback_query"):
        return _on_press(query)
    message = update.get("message")
    if not message or message["chat"]["type"] != "private":
        return None
    chat_id, text = message["chat"]["id"], str(message.get("text") or "")
    command, _, rest = text.partition(" ")
    match command.partition("@")[0].lower():
        case "/start":
            return _on_start(chat_id, rest.strip())
        case "/stop":
            return _on_stop(chat_id)
    _reopen(chat_id)
    return _answer_in_words(chat_id, text) or _on_talk(chat_id)


def _on_membership(membership: Json) -> None:
    chat, status = membership["chat"], membership["new_chat_member"]["status"]
    if chat["type"] == "private" and status == "kicked":
        TelegramChat.objects.filter(chat_id=chat["id"]).update(
            reachable=False, unreachable_reason=UnreachableReason.BLOCKED
        )
    elif chat["type"] == "private" and status == "member":
        _reopen(chat["id"])


def _on_talk(chat_id: int) -> Reply:
    text = gettext(
        "Спасибо за сообщение! Это автоматический помощник, он пишет сам, но не умеет отвечать. "
        "Контакты для связи есть в вашем аккаунте."
    )
    return Reply(chat_id, text, (account_button(),), seldom=True)


def _on_start(chat_id: int, token: str) -> Reply:
    """Link the chat. If the token is missing, unknown, used or expired, say whether the chat is linked."""
    invitation = find_token(token)
    chat = _reopen(chat_id)
    if invitation is not None:
        if chat is not None and chat.person_id != invitation.person_id:
            return _ask_before_move(chat, invitation)
        return _use(invitation, chat_id)
    if chat is not None:
        text = gettext("Всё в порядке, %(name)s: Telegram привязан, ничего делать не нужно.")
        return Reply(chat_id, text % {"name": escape_line(chat.person.name)})
    text = gettext(
        "Здравствуйте! Это бот сайта «%(site)s». Чтобы получать здесь сообщения о вебинарах, откройте там свой "
        "аккаунт и нажмите «Привязать Telegram». Ссылка оттуда действует 15 минут и срабатывает один раз; если эта "
        "уже не действует, там же можно взять новую."
    )
    return Reply(chat_id, text % {"site": site_title()}, (account_button(),))


def _use(invitation: LinkToken, chat_id: int) -> Reply:
    use_token(invitation)
    link(invitation.person, chat_id)
    text = gettext(
        "Готово, %(name)s! Telegram привязан: сюда придёт всё важное о ваших вебинарах на сайте «%(site)s».\n\n"
        "Если передумаете, отправьте /stop."
    )
    return Reply(chat_id, text % {"name": escape_line(invitation.person.name), "site": site_title()})


def _ask_before_move(chat: TelegramChat, invitation: LinkToken) -> Reply:
    """Ask whether to move the chat from its account, because the link may be somebody else's."""
    ask_before_use(invitation, chat.chat_id)
    text = gettext(
        "Этот чат привязан к аккаунту «%(old)s». Ссылка, которую вы открыли, привяжет его к другому аккаунту — "
        "«%(new)s», и сообщения для «%(old)s» сюда больше не придут.\n\n"
        "Если ссылку прислал кто-то другой, нажмите «Нет». Привязать чат к аккаунту «%(new)s»?"
    ) % {"old": escape_line(chat.person.name), "new": escape_line(invitation.person.name)}
    # The number, so that a press below an earlier question does not answer this one.
    choices = (
        (gettext("Да, привязать"), f"move:{invitation.pk}:yes"),
        (gettext("Нет"), f"move:{invitation.pk}:no"),
    )
    return Reply(chat.chat_id, text, choices=choices)


def _on_press(query: Json) -> Reply | None:
    """Do what the pressed button says, if its question is still the latest one in a private chat."""
    chat = query["message"]["chat"]
    action, _, rest = str(query.get("data") or "").partition(":")
    number, _, choice = rest.partition(":")
    if chat["type"] != "private" or action != "move" or choice not in {"yes", "no"}:
        return None
    callback_id = str(query["id"])
    invitation = find_asked(chat["id"])
    if invitation is None or str(invitation.pk) != number:
        text = gettext("Этот вопрос уже не действует: ничего не изменилось.")
        return Reply(chat["id"], text, (account_button(),), callback_id=callback_id)
    return replace(_answer(invitation, chat["id"], is_yes=choice == "yes"), callback_id=callback_id)


def _answer_in_words(chat_id: int, text: str) -> Reply | None:
    """Use a written yes or no as the answer to the pending question in this chat."""
    word = text.strip(" .!").casefold()
    if word not in YES | NO:
        return None
    invitation = find_asked(chat_id)
    return _answer(invitation, chat_id, is_yes=word in YES) if invitation else None


def _answer(invitation: LinkToken, chat_id: int, *, is_yes: bool) -> Reply:
    if is_yes:
        return _use(invitation, chat_id)
    use_token(invitation)
    return Reply(chat_id, gettext("Хорошо, ничего не изменилось: чат остаётся у прежнего аккаунта."))


def _on_stop(chat_id: int) -> Reply:
    chat = TelegramChat.objects.select_related("person").filter(chat_id=chat_id).first()
    if chat is None:
        return Reply(chat_id, gettext("Этот чат ни к чему не привязан, сообщений не будет."))
    unlink(chat.person, Context(chat.person_id, Source.SYSTEM), notify_chat=False)
    text = gettext("Telegram отвязан, сообщений больше не будет. Вернуться можно в любой момент из аккаунта.")
    return Reply(chat_id, text, (account_button(),))


def _reopen(chat_id: int) -> TelegramChat | None:
    """Mark the chat as reachable, because somebody writes from it. Return it if it is linked to a person."""
    chat = TelegramChat.objects.select_related("person").filter(chat_id=chat_id).first()
    if chat is not None and not chat.reachable:
        chat.reachable, chat.unreachable_reason = True, ""
        chat.save(update_fields=["reachable", "unreachable_reason"])
        release_for_link(chat.person)
        log.info("telegram_reopened", person_id=chat.person_id)
    return chat
