"""Errands: the calls that notices ask for; each goes out twice at most, whatever dies meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

import structlog
from django.conf import settings
from django.db.models import F
from django.utils import translation
from django.utils.translation import gettext

from efir.accounts.models import Person
from efir.accounts.password_reset import one_time_link
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
from efir.telegram.outbox.message_types import OutgoingMessage

TRIES = 2
# A call is over by then, or its process is gone.
LOST_AFTER = timedelta(seconds=60)
AFTER_UNKNOWN = timedelta(seconds=10)
AFTER_NOT_SENT = timedelta(seconds=5)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class NoticeClaim:
    """One call to be made for a notice; `tries` fences its outcome off from a later call's."""

    notice_id: int
    tries: int
    purpose: str
    chat_id: int
    person: Person

    def compose(self) -> OutgoingMessage:
        """What the call will say: in Russian, as every message."""
        with translation.override(settings.LANGUAGE_CODE):
            return _COMPOSE[self.purpose](self.person).acceptable()


def claim_notices(limit: int) -> list[NoticeClaim]:
    """Claim up to `limit` notices that are due: each counts as perhaps sent from now on. Those in vain are deleted."""
    now = clock.now()
    due = ChatNotice.objects.filter(next_at__lte=now).order_by("next_at", "pk")[:limit]
    return [errand for notice in due if (errand := _claimed(notice, now))]


def _claimed(notice: ChatNotice, now: datetime) -> NoticeClaim | None:
    same = ChatNotice.objects.filter(pk=notice.pk, tries=notice.tries, next_at=notice.next_at)
    chat = None
    if notice.expires_at > now and notice.tries < TRIES:
        chat = _chat_of(notice.login)
    if chat is None:
        same.delete()
        return None
    if not same.update(tries=F("tries") + 1, next_at=now + LOST_AFTER):
        return None  # another process has it
    return NoticeClaim(notice.pk, notice.tries + 1, notice.purpose, chat.chat_id, chat.person)


def _chat_of(login: str) -> TelegramChat | None:
    chats = TelegramChat.objects.select_related("person").filter(reachable=True, person__is_active=True)
    return chats.filter(person__login=login).first()


def complete_notice(errand: NoticeClaim, decision: Decision) -> None:
    """Write what came of a call."""
    notice = ChatNotice.objects.filter(pk=errand.notice_id, tries=errand.tries)
    chat = TelegramChat.objects.filter(person=errand.person, chat_id=errand.chat_id)
    match decision:
        case Sent() | MessageRefused():
            notice.delete()
        case ChatUnreachable(reason, _):
            notice.delete()
            chat.update(reachable=False, unreachable_reason=reason)
        case ChatMoved(chat_id, _):
            if not TelegramChat.objects.filter(chat_id=chat_id).exists():
                chat.update(chat_id=chat_id)
            _surely_not_sent(errand, AFTER_NOT_SENT)
        case OutcomeUnknown():
            notice.update(next_at=clock.now() + AFTER_UNKNOWN)
        case RateLimited(seconds, _):
            _surely_not_sent(errand, timedelta(seconds=seconds))
        case NotSent() | TokenRejected():
            _surely_not_sent(errand, AFTER_NOT_SENT)
    log.info(
        "notice_settled",
        purpose=errand.purpose,
        person_id=errand.person.pk,
        outcome=type(decision).__name__,
        error=getattr(decision, "error", None),
    )


def requeue_notice(errand: NoticeClaim) -> None:
    """The call was not made: it does not count."""
    _surely_not_sent(errand, timedelta(0))


def _surely_not_sent(errand: NoticeClaim, wait: timedelta) -> None:
    notice = ChatNotice.objects.filter(pk=errand.notice_id, tries=errand.tries)
    notice.update(tries=F("tries") - 1, next_at=clock.now() + wait)


def _password_reset(person: Person) -> OutgoingMessage:
    text = gettext(
        "%(name)s, на сайте просят новый пароль для вашего аккаунта. Кнопка ниже откроет страницу, где его можно "
        "задать: она действует сутки и срабатывает один раз.\n\n"
        "Если это не ваша просьба, ничего делать не нужно: пароль остаётся прежним. Не пересылайте это сообщение."
    )
    return OutgoingMessage(text % _name(person), [(gettext("Задать новый пароль"), one_time_link(person))])


def _test(person: Person) -> OutgoingMessage:
    text = gettext("Проверка связи: всё в порядке, %(name)s. Сообщения о вебинарах будут приходить сюда.")
    return OutgoingMessage(text % _name(person))


def _name(person: Person) -> dict[str, str]:
    return {"name": escape(" ".join(person.name.split()), quote=False)}


_COMPOSE = {Purpose.PASSWORD_RESET.value: _password_reset, Purpose.TEST.value: _test}
