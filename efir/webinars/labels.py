"""Labels and messages about webinars: times, refusals, missing fields."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from efir.hooks.actions import Code
from efir.lib import clock
from efir.webinars.lifecycle import Status
from efir.webinars.models import Webinar

# Abbreviations that only one time has, unlike EST, CST, IST or BST: those are other places' clocks, too.
CLEAR_ABBREVIATIONS = frozenset({"CET", "CEST", "EET", "EEST", "WET", "WEST", "UTC"})

# The required fields, as they are called within a sentence.
FIELD_LABELS: dict[str, Promise] = {
    "title": gettext_lazy("название"),
    "starts_at": gettext_lazy("время начала"),
    "player_url": gettext_lazy("плеер"),
}

REFUSALS: dict[Code, Promise] = {
    Code.INVALID_START: gettext_lazy("Начать можно опубликованный вебинар, который ещё не начинался."),
    Code.INVALID_STOP: gettext_lazy("Вебинар не в эфире, завершать нечего."),
    Code.INVALID_ARCHIVE: gettext_lazy("В архив уходит только завершённый вебинар."),
    Code.INVALID_REWIND: gettext_lazy("Вебинар уже начался, вернуть его назад нельзя."),
    Code.INVALID_RESTART: gettext_lazy("Вебинар уже завершён, начать его снова нельзя."),
    Code.LOCKED: gettext_lazy("В этом состоянии это уже не меняется. Ничего не сохранено."),
    Code.CTA_INVALID_STATE: gettext_lazy("Кнопку «Связаться…» показывают и скрывают только во время эфира."),
    Code.WITHDRAWN: gettext_lazy("Вебинар отменён. Сначала верните его в расписание."),
    Code.STATUS_INVALID: gettext_lazy("Можно только начать или завершить."),
    Code.MUTATION_FORBIDDEN: gettext_lazy(
        "Состояние меняют только кнопки управления эфиром. Ничего не сохранено."
    ),
    Code.NOT_FOUND: gettext_lazy("Такого вебинара нет."),
    Code.FORBIDDEN: gettext_lazy("На это у вас нет права. Попросите администратора."),
    Code.INCOMPLETE: gettext_lazy(
        "Чтобы опубликовать, заполните название и время начала, а если видео идёт с другого сервиса — и плеер."
    ),
    Code.SEATS_CLOSED: gettext_lazy("Вебинар уже прошёл, места больше не бронируются."),
    Code.RECORDING_INVALID_STATE: gettext_lazy("Запись публикуют, когда вебинар уже начался."),
    Code.RECORDING_NOT_READY: gettext_lazy("Запись эфира ещё не готова. Подождите минуту после конца."),
    Code.WATCH_INVALID_STATE: gettext_lazy("Сейчас эфира нет: он ещё не начался или уже закончился."),
    Code.TALK_OFF: gettext_lazy("В этой комнате не переписываются: ведущий это выключил."),
    Code.TALK_CLOSED: gettext_lazy("Сейчас здесь не пишут: вебинар ещё не объявлен или уже закончился."),
    Code.TALK_QUESTIONS_ONLY: gettext_lazy("Здесь задают вопросы ведущему. Отправьте это как вопрос."),
    Code.TALK_LINKS: gettext_lazy("Ссылки здесь присылает только ведущий. Уберите ссылку и отправьте снова."),
    Code.TALK_TOO_FAST: gettext_lazy("Вы пишете слишком часто. Подождите немного и отправьте снова."),
    Code.TALK_BUSY: gettext_lazy("Сейчас пишут очень многие. Отправьте снова через несколько секунд."),
    Code.TOO_MANY_QUESTIONS: gettext_lazy(
        "На ваши вопросы ещё не ответили. Дождитесь ответа, потом задайте следующий."
    ),
    Code.MESSAGE_NOT_FOUND: gettext_lazy("Такого сообщения нет."),
    Code.MESSAGE_INVALID_STATE: gettext_lazy(
        "С этим сообщением так нельзя: закрепляют то, что видно всем, отвечают на вопросы, "
        "а личный вопрос показывают всем после ответа."
    ),
    Code.PERSON_NOT_FOUND: gettext_lazy("Такого человека нет."),
    Code.PERSON_MODERATES: gettext_lazy("Этот человек сам ведёт комнату, его сообщения не скрывают."),
}


def zone_label(moment: datetime, zone: ZoneInfo) -> str:
    """Return «МСК», the zone's abbreviation if it is unambiguous, or its offset («UTC+5:30»)."""
    local = moment.astimezone(zone)
    name = local.tzname()
    if name == "MSK":
        return _("МСК")
    if zone.key == "Europe/Kaliningrad":
        return _("МСК−1")
    if name in CLEAR_ABBREVIATIONS:
        return name
    minutes = round((local.utcoffset() or timedelta()).total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    sign = "−" if minutes < 0 else "+"
    return f"UTC{sign}{hours}" + (f":{rest:02}" if rest else "") if minutes else "UTC"


def relative_day(moment: datetime, zone: ZoneInfo) -> str:
    """Return «сегодня», «завтра» or «25 ноября», by the zone's calendar."""
    local = moment.astimezone(zone)
    today = clock.now().astimezone(zone).date()
    if local.date() == today:
        return _("сегодня")
    if local.date() == today + timedelta(days=1):
        return _("завтра")
    return date_format(local, "j E" if local.year == today.year else "j E Y")


def seat_booked_message(webinar: Webinar) -> str:
    """Say that a seat is booked, at which webinar and when."""
    moment = relative_time(webinar.starts_at, webinar.zone) if webinar.starts_at else ""
    return _("Место забронировано: «%(title)s», %(moment)s") % {"title": webinar.title, "moment": moment}


def relative_time(moment: datetime, zone: ZoneInfo) -> str:
    """Format a moment as «сегодня в 19:00 МСК»."""
    return _at_time(relative_day(moment, zone), moment, zone)


def absolute_time(moment: datetime, zone: ZoneInfo) -> str:
    """Format a moment as «25 ноября в 19:00 МСК», for texts that are also read on a later day."""
    return _at_time(date_format(moment.astimezone(zone), "j E"), moment, zone)


def _at_time(day: str, moment: datetime, zone: ZoneInfo) -> str:
    return _("%(day)s в %(time)s %(zone)s") % {
        "day": day,
        "time": moment.astimezone(zone).strftime("%H:%M"),
        "zone": zone_label(moment, zone),
    }


def past_start_warning(webinar: Webinar) -> str:
    """Return a warning if a webinar that has not begun is announced for the past; else empty."""
    late = webinar.state in (Status.DRAFT, Status.SCHEDULED) and webinar.starts_at
    if not late or late >= clock.now():
        return ""
    moment = relative_time(late, webinar.zone)
    return _("Время начала уже прошло: %(moment)s. Если это ошибка, исправьте его.") % {"moment": moment}


def missing_fields_message(lacking: Iterable[str]) -> str:
    """Name the required fields that are still empty."""
    return _("Чтобы опубликовать, заполните: %(fields)s.") % {
        "fields": ", ".join(str(FIELD_LABELS[name]) for name in lacking)
    }


def refusal_message(code: Code) -> str:
    """Return the text that says why an action is refused, and what to do."""
    return str(REFUSALS.get(code, code.value))
