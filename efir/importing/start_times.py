"""Read start times, which the original keeps as free text. An ambiguous text is refused, never guessed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

_MONTHS = (
    *("января", "февраля", "марта", "апреля", "мая", "июня"),
    *("июля", "августа", "сентября", "октября", "ноября", "декабря"),
)
# «25 ноября 2026 г. в 19:00» and «25 ноября 2026, 19:00».
_IN_WORDS = re.compile(
    rf"(\d{{1,2}}) ({'|'.join(_MONTHS)}) (\d{{4}})(?: ?г\.?| года)?,?(?: в)? (\d{{1,2}}:\d\d)"
)
_MOSCOW = " мск"


def read_start(text: str, formats: Iterable[str], zone: ZoneInfo) -> datetime | None:
    """Return the moment in UTC; None if the text is no time, or one that does not exist in the zone.

    text: one line, as ISO 8601, as one of the `formats` of `strptime`, or with a Russian month; «МСК» may follow.
    zone: the zone of a text that names none.
    """
    if text.lower().endswith(_MOSCOW):
        text, zone = text[: -len(_MOSCOW)], ZoneInfo("Europe/Moscow")
    if in_words := _IN_WORDS.fullmatch(text.lower()):
        day, month, year, hour = in_words.groups()
        text, formats = f"{day}.{_MONTHS.index(month) + 1}.{year} {hour}", ["%d.%m.%Y %H:%M"]
    moment = next(filter(None, (_parse(text, form) for form in ("", *formats))), None)
    if moment is None or not 2000 <= moment.year <= 2100:
        return None
    if moment.tzinfo is None:
        local, moment = moment, moment.replace(tzinfo=zone)
        if moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local:
            return None
    return moment.astimezone(UTC)


def _parse(text: str, form: str) -> datetime | None:
    """Return the time in this form, or in ISO 8601 for an empty one; None if it is in another."""
    if not form and ":" not in text:
        return None  # a date alone would be read as midnight
    try:
        return datetime.strptime(text, form) if form else datetime.fromisoformat(text)  # noqa: DTZ007  # the zone is the caller's
    except ValueError:
        return None
