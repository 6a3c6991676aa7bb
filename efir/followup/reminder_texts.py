"""The texts of the messages before a webinar."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext

from efir.accounts.language import in_language_of
from efir.followup.texts import TITLE_LENGTH
from efir.telegram.models import OutboxMessage
from efir.telegram.outbox.message_types import IncompleteMessage, OutgoingMessage, escape_line
from efir.telegram.reminders import announcement
from efir.webinars.absolute_urls import absolute_url, room_url
from efir.webinars.labels import absolute_time
from efir.webinars.models import Webinar


def seat_reminder(messages: Sequence[OutboxMessage]) -> OutgoingMessage:
    """Remind the person of the start."""
    (message,) = messages
    _require(message.occasion == announcement(message.webinar))
    with in_language_of(message.person):
        text = gettext("Напоминаем: вебинар «%(title)s» скоро начнётся — %(when)s.") % _names(message.webinar)
        return _message(message, text, _room_button(message))


def seat_on_air(messages: Sequence[OutboxMessage]) -> OutgoingMessage:
    """Say that the webinar has begun."""
    (message,) = messages
    with in_language_of(message.person):
        text = gettext("Вебинар «%(title)s» начался. Заходите!") % _names(message.webinar)
        return _message(message, text, _room_button(message))


def seat_moved(messages: Sequence[OutboxMessage]) -> OutgoingMessage:
    """Announce the new time, or that the webinar will not take place."""
    (message,) = messages
    webinar = message.webinar
    _require(message.occasion.partition(":")[2] == announcement(webinar))
    with in_language_of(message.person):
        if webinar.withdrawn:
            text = gettext(
                "Вебинар «%(title)s» не состоится. Если его вернут в расписание, напишем."
            ) % _names(webinar)
            return _message(message, text, (gettext("К расписанию"), absolute_url("/webinars/")))
        text = gettext("Изменение в расписании: вебинар «%(title)s» состоится %(when)s.") % _names(webinar)
        return _message(message, text, _room_button(message))


def _require(is_current: bool) -> None:
    """Raise IncompleteMessage for a message that the worker is about to replace: its time has changed since."""
    if not is_current:
        raise IncompleteMessage("the webinar's time has changed since it was written")


def _message(message: OutboxMessage, text: str, button: tuple[str, str]) -> OutgoingMessage:
    off = gettext("Напоминания включили вы, выключить их можно на странице вашего места.")
    seat = absolute_url(f"/account/seats/{message.webinar_id}/")
    return OutgoingMessage(f"{text}\n\n{off}", [button, (gettext("Моё место"), seat)])


def _room_button(message: OutboxMessage) -> tuple[str, str]:
    return gettext("Перейти в комнату"), room_url(message.webinar)


def _names(webinar: Webinar) -> dict[str, str]:
    when = absolute_time(webinar.starts_at, webinar.zone) if webinar.starts_at else ""
    return {"title": escape_line(webinar.title, TITLE_LENGTH), "when": when}
