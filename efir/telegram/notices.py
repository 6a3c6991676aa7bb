"""Notices: messages that a person requests, such as a link for a new password, and warnings to an account's owner.

Each is a row that survives the process. Its call is made twice at most, even after crashes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from django.conf import settings
from django.db.models import Exists, F, OuterRef, QuerySet
from django.dispatch import receiver
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy

from efir.accounts.language import in_language_of
from efir.accounts.models import Person
from efir.accounts.password_reset import one_time_link, password_forgotten
from efir.accounts.passwords import password_changed, password_link_made
from efir.accounts.second_factor import codes_guessed, second_factor_changed
from efir.audit.actions import Action
from efir.lib import clock
from efir.telegram.bot import lease
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
from efir.telegram.outbox.message_types import OutgoingMessage, escape_line, site_title
from efir.webinars.absolute_urls import absolute_url
from efir.webinars.labels import absolute_time
from efir.webinars.models import default_time_zone

# The page says "in a few seconds"; later the notice is useless.
EXPIRES_AFTER = timedelta(minutes=15)
# Warnings to an account's owner are useful even after an outage.
WARNING_EXPIRES_AFTER = timedelta(hours=24)
TRIES = 2
# A call without an outcome after this time belongs to a process that has died.
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
    if settings.EFIR.telegram_token:  # without a bot it would never be sent
        _request(Purpose.PASSWORD_RESET, login)


@receiver(password_changed, dispatch_uid="efir.telegram.password_changed")
def notify_password_changed(person: Person, **kwargs: Any) -> None:
    """Notify the person's chat that the password has changed."""
    warn_owner(Purpose.PASSWORD_CHANGED, person)


@receiver(password_link_made, dispatch_uid="efir.telegram.password_link_made")
def notify_password_link_made(person: Person, **kwargs: Any) -> None:
    """Notify the person's chat that an admin made a link that sets the password."""
    warn_owner(Purpose.PASSWORD_LINK_MADE, person)


OF_SECOND_FACTOR = {
    Action.SECOND_FACTOR_ENABLED: Purpose.SECOND_FACTOR_ON,
    Action.SECOND_FACTOR_DISABLED: Purpose.SECOND_FACTOR_OFF,
    Action.SECOND_FACTOR_RESET: Purpose.SECOND_FACTOR_RESET,
    Action.RECOVERY_CODE_USED: Purpose.RECOVERY_CODE_USED,
}


@receiver(second_factor_changed, dispatch_uid="efir.telegram.second_factor_changed")
def notify_second_factor_changed(person: Person, action: Action, **kwargs: Any) -> None:
    """Notify the person's chat of a change of their second factor."""
    warn_owner(OF_SECOND_FACTOR[action], person)


@receiver(codes_guessed, dispatch_uid="efir.telegram.codes_guessed")
def notify_codes_guessed(person: Person, **kwargs: Any) -> None:
    """Notify the person's chat that somebody knows the password and guesses codes."""
    warn_owner(Purpose.CODES_GUESSED, person)


def warn_owner(purpose: Purpose, person: Person, chat_id: int | None = None) -> None:
    """Have the bot warn an account's owner. `chat_id`: a chat that is no longer theirs; None for their own."""
    if settings.EFIR.telegram_token:
        _request(purpose, person.login, chat_id, expires_after=WARNING_EXPIRES_AFTER)


def _request(
    purpose: Purpose, login: str, chat_id: int | None = None, *, expires_after: timedelta = EXPIRES_AFTER
) -> None:
    # Asking again while the first notice is in progress changes nothing.
    now = clock.now()
    same = ChatNotice.objects.filter(purpose=purpose, login=login, chat_id=chat_id)
    same.filter(expires_at__lte=now).delete()
    notice = ChatNotice(
        purpose=purpose,
        login=login,
        chat_id=chat_id,
        created_at=now,
        expires_at=now + expires_after,
        next_at=now,
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
        """Return what the call will say, in the person's language."""
        with in_language_of(self.person):
            return _compose(self.purpose, self.person).acceptable()


def claim_notices(limit: int) -> list[NoticeClaim]:
    """Claim up to `limit` notices that are due. From now on each counts as perhaps sent.

    Notices that have expired, were tried often enough or have no chat are deleted.
    """
    now = clock.now()
    _repair_times(now)
    _drop_for_nobody(now)
    claims = []
    for notice in ChatNotice.objects.filter(next_at__lte=now).order_by("next_at", "pk")[:limit]:
        unchanged = ChatNotice.objects.filter(pk=notice.pk, tries=notice.tries, next_at=notice.next_at)
        receiver_of = _receiver(notice)
        if receiver_of is None or notice.expires_at <= now or notice.tries >= TRIES:
            unchanged.delete()
        elif unchanged.update(
            tries=F("tries") + 1, next_at=now + LOST_AFTER
        ):  # else another process has claimed it
            claims.append(NoticeClaim(notice.pk, notice.tries + 1, notice.purpose, *receiver_of))
    return claims


def _receiver(notice: ChatNotice) -> tuple[int, Person] | None:
    """Return the chat that the notice goes to and the person it is about; None if there is none."""
    people = Person.objects.select_related("telegramchat").filter(is_active=True)
    person = people.filter(login=notice.login).first()
    if person is None or notice.chat_id is not None:
        return (notice.chat_id, person) if person and notice.chat_id else None
    chat = getattr(person, "telegramchat", None)
    return (chat.chat_id, person) if chat and chat.reachable else None


def _drop_for_nobody(now: datetime) -> None:
    """Delete the due notices of logins without a reachable chat, all at once.

    A script that requests links for made-up logins must not delay a person's link.
    """
    due = ChatNotice.objects.filter(next_at__lte=now, chat_id=None)
    if due.exists():  # this runs every second, and on SQLite a deletion waits for other writers
        reachable = Person.objects.filter(
            login=OuterRef("login"), is_active=True, telegramchat__reachable=True
        )
        due.filter(~Exists(reachable)).delete()


def _repair_times(now: datetime) -> None:
    """Let notices that were written before the clock was set back be claimed soon, after any call in progress."""
    from_future = ChatNotice.objects.filter(created_at__gt=now + lease.CLOCK_TOLERANCE)
    from_future.update(created_at=now, next_at=now + AFTER_UNKNOWN, expires_at=now + EXPIRES_AFTER)


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
            claim.notice.exclude(chat_id=None).update(chat_id=chat_id)
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


def _compose(purpose: str, person: Person) -> OutgoingMessage:
    if purpose == Purpose.PASSWORD_RESET:
        return _password_reset(person)
    text, button = _PLAIN[purpose]
    return OutgoingMessage(str(text) % {"name": escape_line(person.name)}, [button()] if button else ())


def _password_reset(person: Person) -> OutgoingMessage:
    chat = TelegramChat.objects.filter(person=person, reset_from__gt=clock.now()).first()
    if chat and chat.reset_from:
        return _reset_held(person, chat.reset_from)
    text = gettext(
        "%(name)s, на сайте «%(site)s» просят новый пароль для вашего аккаунта. Кнопка ниже откроет страницу, где "
        "его можно задать: она действует сутки и срабатывает один раз.\n\n"
        "Если это не ваша просьба, ничего делать не нужно: пароль остаётся прежним. Не пересылайте это сообщение."
    )
    return OutgoingMessage(
        text % {"name": escape_line(person.name), "site": site_title()},
        [(gettext("Задать новый пароль"), one_time_link(person))],
    )


def _reset_held(person: Person, since: datetime) -> OutgoingMessage:
    text = gettext(
        "%(name)s, на сайте просят новый пароль для вашего аккаунта. Этот чат недавно привязан вместо другого, "
        "поэтому ссылку для пароля он получит не раньше чем %(moment)s. Попросите её тогда ещё раз.\n\n"
        "Нужно сейчас? Попросите одноразовую ссылку у администратора."
    )
    words = {"name": escape_line(person.name), "moment": _moment(since)}
    return OutgoingMessage(text % words, [_forgotten_button()])


def account_button() -> tuple[str, str]:
    """Return the button that leads to the person's account."""
    return gettext("Открыть аккаунт"), absolute_url("/account/")


def _security_button() -> tuple[str, str]:
    return gettext("Открыть «Вход и безопасность»"), absolute_url("/account/security/")


def _forgotten_button() -> tuple[str, str]:
    return gettext("Задать новый пароль"), absolute_url("/login/forgotten/")


def _moment(moment: datetime) -> str:
    return absolute_time(moment, ZoneInfo(default_time_zone()))


# A notice that needs nothing but the name of its person: the text, and the button below it.
_PLAIN: dict[str, tuple[Promise | str, Callable[[], tuple[str, str]] | None]] = {
    Purpose.TEST.value: (
        gettext_lazy("Проверка связи: всё в порядке, %(name)s. Сообщения о вебинарах будут приходить сюда."),
        None,
    ),
    Purpose.PASSWORD_CHANGED.value: (
        gettext_lazy(
            "%(name)s, пароль вашего аккаунта на сайте изменён. На других устройствах нужно войти заново.\n\n"
            "Это были не вы? Сразу задайте новый пароль: кнопка ниже откроет страницу, где его можно попросить."
        ),
        _forgotten_button,
    ),
    Purpose.PASSWORD_LINK_MADE.value: (
        gettext_lazy(
            "%(name)s, администратор сделал для вас одноразовую ссылку, по которой можно задать новый пароль. Она "
            "действует сутки.\n\n"
            "Вы об этом не просили? Спросите администратора. Если войти на сайт ещё раз, ссылка перестанет действовать."
        ),
        None,
    ),
    Purpose.SECOND_FACTOR_ON.value: (
        gettext_lazy(
            "%(name)s, для вашего аккаунта на сайте включён вход в два шага: после пароля нужен код из приложения.\n\n"
            "Это были не вы? Сразу смените пароль и попросите администратора сбросить вход в два шага."
        ),
        _forgotten_button,
    ),
    Purpose.SECOND_FACTOR_OFF.value: (
        gettext_lazy(
            "%(name)s, вход в два шага для вашего аккаунта на сайте выключен: теперь хватит пароля.\n\n"
            "Это были не вы? Сразу смените пароль и включите вход в два шага снова."
        ),
        _security_button,
    ),
    Purpose.SECOND_FACTOR_RESET.value: (
        gettext_lazy(
            "%(name)s, администратор сбросил вход в два шага для вашего аккаунта на сайте: теперь хватит пароля, и на "
            "всех устройствах нужно войти заново.\n\n"
            "Вы об этом не просили? Войдите, смените пароль, включите вход в два шага снова и спросите администратора."
        ),
        _security_button,
    ),
    Purpose.RECOVERY_CODE_USED.value: (
        gettext_lazy(
            "%(name)s, для вашего аккаунта на сайте только что использован код восстановления.\n\n"
            "Это были не вы? Сразу смените пароль и получите новые коды восстановления."
        ),
        _security_button,
    ),
    Purpose.CODES_GUESSED.value: (
        gettext_lazy(
            "%(name)s, кто-то входит в ваш аккаунт на сайте с верным паролем, но вводит неверные коды.\n\n"
            "Это были не вы? Тогда ваш пароль знает кто-то ещё: сразу смените его."
        ),
        _forgotten_button,
    ),
    Purpose.CHAT_MOVED.value: (
        gettext_lazy(
            "%(name)s, к вашему аккаунту на сайте привязан другой чат Telegram: сообщения о вебинарах и ссылки для "
            "нового пароля придут туда, а сюда больше нет.\n\n"
            "Это были не вы? Сегодня же войдите на сайт, смените пароль и привяжите этот чат снова. Ещё сутки новый "
            "чат не получит ссылку для пароля. Войти не получается? Напишите администратору."
        ),
        account_button,
    ),
    Purpose.CHAT_UNLINKED.value: (
        gettext_lazy(
            "%(name)s, Telegram отвязан от вашего аккаунта на сайте: сообщения сюда больше не придут.\n\n"
            "Это были не вы? Войдите на сайт, смените пароль и привяжите этот чат снова. Войти не получается? Напишите "
            "администратору."
        ),
        account_button,
    ),
}
