"""What was written in a room as a CSV file: the questions, or everything."""

from __future__ import annotations

from django.utils.translation import gettext as _

from efir.attendance.report.csv_export import BATCH, Export, Row, iso_time, local_time
from efir.talk.models import Kind, Message, State
from efir.webinars.models import Webinar


def questions(webinar: Webinar) -> Export:
    """Export the questions of the webinar, oldest first, with the minute of the answer."""
    return _export(webinar, "questions", _("Вопросы"), [Kind.QUESTION])


def talk(webinar: Webinar) -> Export:
    """Export all questions and messages of the webinar, oldest first."""
    return _export(webinar, "talk", _("Чат"), [Kind.QUESTION, Kind.MESSAGE])


def _export(webinar: Webinar, name: str, title: str, kinds: list[Kind]) -> Export:
    header = [
        _("Номер"),
        _("Имя"),
        _("Вид"),
        _("Текст"),
        _("Состояние"),
        _("Когда"),
        _("Отвечено"),
        _("Минута ответа"),
        _("Когда (ISO)"),
        _("Отвечено (ISO)"),
        "kind",
        "state",
    ]

    def batch(last: int) -> tuple[list[Row], int | None]:
        found = Message.objects.filter(webinar=webinar, kind__in=kinds, number__gt=last)
        messages = list(found.select_related("person").order_by("number")[:BATCH])
        rows = [_row(message, webinar) for message in messages]
        return rows, messages[-1].number if messages else None

    return Export(name, title, header, batch)


def _row(message: Message, webinar: Webinar) -> Row:
    state = State.HIDDEN if message.muted else State(message.state)
    answered_at = message.answered_at
    return [
        message.number,
        message.person.shown_name,
        Kind(message.kind).label,
        message.text,
        state.label,
        local_time(message.at, webinar),
        local_time(answered_at, webinar) if answered_at else "",
        "" if message.answered_minute is None else message.answered_minute,
        iso_time(message.at, webinar),
        iso_time(answered_at, webinar) if answered_at else "",
        message.kind,
        state.value,
    ]
