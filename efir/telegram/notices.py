"""Notices: what a person asks the bot for, such as a link for a new password.

Each is a row that outlives the process. Its call is made twice at most, whatever dies meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db.models import F, QuerySet
from django.dispatch import receiver
from django.utils import translation
from django.utils.translation import gettext

from efir.accounts.models import Person
from efir.accounts.password_reset import one_time_link, password_forgotten
from efir.lib import clock
from efir.telegram.bot.outcomes import (
    ChatMoved,
    ChatUnreachable,
    Decision,
    MessageRefused,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    Sent,
    TokenRejected,
)
from efir.telegram.models import ChatNotice, Purpose, TelegramChat
from efir.telegram.outbox.completion import readdress
from efir.telegram.outbox.message_types import OutgoingMessage, escape_line

# Nobody waits longer at the page that says "in a few seconds".
EXPIRES_AFTER = timedelta(minutes=15)
TRIES = 2
# A call without an outcome after so long belongs to a process that is gone.
LOST_AFTER = timedelta(seconds=60)
AFTER_UNKNOWN = timedelta(seconds=10)
AFTER_NOT_SENT = timedelta(seconds=5)

log = structlog.get_logger(__name__)


def request_test(person: Person) -> None:
    """Have the bot send this person a test message."""
    _request(Purpose.TEST, person.login)


@receiver(password_forgotten, dispatch_uid="efir.telegram.password_forgotten")
def request_password_reset(login: str, **kwargs: Any) -> None:
    """Have the bot send a link for a new password to the person with this login, if there is one with a chat."""
    if settings.EFIR.telegram_token:  # without a bot nobody would ever send it
        _request(Purpose.PASSWORD_RESET, login)


def _request(purpose: Purpose, login: str) -> None:
    # Asking again while the first notice is under way changes nothing.
    now = clock.now()
    ChatNotice.objects.filter(purpose=purpose, login=login, expires_at__lte=now).delete()
    notice = ChatNotice(
        purpose=purpose, login=login, created_at=now, expires_at=now + EXPIRES_AFTER, next_at=now
    )
    ChatNotice.objects.bulk_create([notice], ignore_conflicts=True)


@dataclass(frozen=True, slots=True)
class NoticeClaim:
    """One call to be made for a notice. `tries` fences its outcome off from that of a later call."""

    notice_id: int
    tries: int
    purpose: str
    chat_id: int
    person: Person

    @property
    def notice(self) -> QuerySet[ChatNotice]:
        """The notice as a queryset of one row, or of none once another call was claimed for it."""
        return ChatNotice.objects.filter(pk=self.notice_id, tries=self.tries)

    def compose(self) -> OutgoingMessage:
        """Return what the call will say, in the language of all messages."""
        with translation.override(settings.LANGUAGE_CODE):
            return _COMPOSE[self.purpose](self.person).acceptable()


def claim_notices(limit: int) -> list[NoticeClaim]:
    """Claim up to `limit` notices that are due. From now on each counts as perhaps sent.

    Notices that have expired, were tried often enough or have no chat are deleted.
    """
    now = clock.now()
    claims = []
    for notice in ChatNotice.objects.filter(next_at__lte=now).order_by("next_at", "pk")[:limit]:
        unchanged = ChatNotice.objects.filter(pk=notice.pk, tries=notice.tries, next_at=notice.next_at)
        chats = TelegramChat.objects.select_related("person").filter(reachable=True, person__is_active=True)
        chat = chats.filter(person__login=notice.login).first()
        if chat is None or notice.expires_at <= now or notice.tries >= TRIES:
            unchanged.delete()
        elif unchanged.update(tries=F("tries") + 1, next_at=now + LOST_AFTER):  # else another process has it
            claims.append(NoticeClaim(notice.pk, notice.tries + 1, notice.purpose, chat.chat_id, chat.person))
    return claims


def complete_notice(claim: NoticeClaim, decision: Decision) -> None:
    """Write the outcome of a call."""
    match decision:
        case Sent() | MessageRefused():
            claim.notice.delete()
        case ChatUnreachable(reason, _):
            claim.notice.delete()
            chat = TelegramChat.objects.filter(person=claim.person, chat_id=claim.chat_id)
            chat.update(reachable=False, unreachable_reason=reason)
        case ChatMoved(chat_id, _):
            readdress(claim.person.pk, claim.chat_id, chat_id)
            requeue_notice(claim, AFTER_NOT_SENT)
        case OutcomeUnknown():
            claim.notice.update(next_at=clock.now() + AFTER_UNKNOWN)
        case RateLimited(seconds, _):
            requeue_notice(claim, timedelta(seconds=seconds))
        case NotSent() | TokenRejected():
            requeue_notice(claim, AFTER_NOT_SENT)
    log.info(
        "notice_settled",
        purpose=claim.purpose,
        person_id=claim.person.pk,
        outcome=type(decision).__name__,
        error=getattr(decision, "error", None),
    )


def requeue_notice(claim: NoticeClaim, delay: timedelta = timedelta(0)) -> None:
    """Give back a notice that was surely not sent, to be claimed again after `delay`. The try does not count."""
    claim.notice.update(tries=F("tries") - 1, next_at=clock.now() + delay)


def _password_reset(person: Person) -> OutgoingMessage:
    text = gettext(
        "%(name)s, на сайте просят новый пароль для вашего аккаунта. Кнопка ниже откроет страницу, где его можно "
        "задать: она действует сутки и срабатывает один раз.\n\n"
        "Если это не ваша просьба, ничего делать не нужно: пароль остаётся прежним. Не пересылайте это сообщение."
    )
    return OutgoingMessage(
        text % {"name": escape_line(person.name)}, [(gettext("Задать новый пароль"), one_time_link(person))]
    )


def _test(person: Person) -> OutgoingMessage:
    text = gettext("Проверка связи: всё в порядке, %(name)s. Сообщения о вебинарах будут приходить сюда.")
    return OutgoingMessage(text % {"name": escape_line(person.name)})


_COMPOSE = {Purpose.PASSWORD_RESET.value: _password_reset, Purpose.TEST.value: _test}
