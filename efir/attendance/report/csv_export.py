"""Verdicts and presence as CSV files: for Excel with Russian settings, and for programs.

UTF-8 with a byte order mark, semicolons, and each time twice: by the webinar's clock, and as ISO 8601 with the offset.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from asgiref.sync import sync_to_async
from django.utils.translation import gettext as _
from django.utils.translation import override

from efir.accounts.models import Person
from efir.attendance import labels
from efir.attendance.evidence import BroadcastTimeline, timeline_of
from efir.attendance.intervals import clip
from efir.attendance.models import Participation, Verdict
from efir.attendance.report.stats import presence_rows
from efir.webinars.models import Webinar

BOM = "\ufeff"
SEPARATOR = ";"
# People per query and per chunk of the response.
BATCH = 1000
# A spreadsheet treats a cell that begins with one of these characters as a formula.
FORMULA_STARTS = "=+-@\t\r\n＝＋－＠"
# The file may be opened with another separator, which splits a value into several cells: each must be harmless.
_SPLIT_BEFORE_FORMULA = re.compile(rf'([;,|\t\r\n])(?=[ \u00a0"]*[{FORMULA_STARTS.replace("-", "")}-])')

Row = Sequence[Any]
# From the last person id to the rows of the next people, and the last id among them: None if there are no more.
Batch = Callable[[int], tuple[list[Row], int | None]]


@dataclass(frozen=True, slots=True)
class Export:
    """A file to download: its name in the log, its title for people, its columns, and its rows in batches."""

    name: str
    title: str
    header: Row
    batch: Batch


def verdicts(webinar: Webinar) -> Export:
    """Export every verdict of the webinar by person id, without anybody's contacts or inviters."""
    timeline = timeline_of(webinar)
    header = [
        _("Номер"),
        _("Имя"),
        _("Итог"),
        _("Причина"),
        _("Пояснение"),
        _("Секунд в эфире"),
        _("Секунд просмотра"),
        _("Секунд шёл эфир"),
        _("Первый вход"),
        _("Последний выход"),
        _("Первый вход (ISO)"),
        _("Последний выход (ISO)"),
        _("Отрезков"),
        "attended",
        "reason",
        "rule",
        _("Решено (ISO)"),
    ]

    def batch(last: int) -> tuple[list[Row], int | None]:
        found = Verdict.objects.filter(webinar=webinar, lead_id__gt=last)
        verdicts = list(found.select_related("lead", "decided_by").order_by("lead_id")[:BATCH])
        rows = [_verdict_row(verdict, timeline, webinar) for verdict in verdicts]
        return rows, verdicts[-1].lead_id if verdicts else None

    return Export("verdicts", _("Итоги"), header, batch)


def _verdict_row(verdict: Verdict, timeline: BroadcastTimeline | None, webinar: Webinar) -> Row:
    spans = verdict.spans
    ends = [spans[0][0], spans[-1][1]] if spans else []
    return [
        verdict.lead_id,
        verdict.lead.shown_name,
        labels.verdict_label(verdict),
        labels.reason_label(verdict),
        labels.explain(verdict, timeline),
        round(verdict.present_s),
        "" if verdict.watched_s is None else round(verdict.watched_s),
        "" if verdict.live_s is None else round(verdict.live_s),
        *([local_time(moment, webinar) for moment in ends] or ["", ""]),
        *([iso_time(moment, webinar) for moment in ends] or ["", ""]),
        len(spans),
        {True: "true", False: "false", None: ""}[verdict.attended],
        verdict.reason,
        verdict.rule,
        iso_time(verdict.decided_at or verdict.classified_at, webinar),
    ]


def presence(webinar: Webinar) -> Export:
    """Export every period of live time in which a lead was present, by person id."""
    timeline = timeline_of(webinar)
    header = [_("Номер"), _("Имя"), _("С"), _("По"), _("С (ISO)"), _("По (ISO)"), _("Секунд")]

    def batch(last: int) -> tuple[list[Row], int | None]:
        leads = Participation.objects.filter(webinar=webinar, is_lead=True, person_id__gt=last)
        ids = list(leads.order_by("person_id").values_list("person_id", flat=True)[:BATCH])
        if not ids or timeline is None:
            return [], None
        return list(_presence_rows(webinar, ids, timeline)), ids[-1]

    return Export("presence", _("Присутствие"), header, batch)


def _presence_rows(webinar: Webinar, ids: Sequence[int], timeline: BroadcastTimeline) -> Iterator[Row]:
    names = dict(Person.objects.filter(pk__in=ids).values_list("pk", "name"))
    for person_id, rows in groupby(presence_rows(webinar, ids), key=lambda row: row[0]):
        for start, end in clip(((began, until) for __, began, until in rows), timeline.live):
            yield [
                person_id,
                names[person_id],
                local_time(start, webinar),
                local_time(end, webinar),
                iso_time(start, webinar),
                iso_time(end, webinar),
                round((end - start).total_seconds()),
            ]


def local_time(moment: datetime, webinar: Webinar) -> str:
    """Return the time by the webinar's clock."""
    # «2026-11-23 19:05:07» is recognized as a time by spreadsheets.
    return f"{moment.astimezone(webinar.zone):%Y-%m-%d %H:%M:%S}"


def iso_time(moment: datetime, webinar: Webinar) -> str:
    """Return the time as ISO 8601 with the offset of the webinar's clock."""
    return moment.astimezone(webinar.zone).isoformat(timespec="seconds")


def escape_formula(value: object) -> object:
    """Return the cell, with an apostrophe in front if a spreadsheet would treat it as a formula."""
    if not isinstance(value, str):
        return value
    guarded = _SPLIT_BEFORE_FORMULA.sub(r"\1'", value)
    return f"'{guarded}" if value.lstrip(" \u00a0").startswith(tuple(FORMULA_STARTS)) else guarded


def _encode(rows: Iterable[Row]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=SEPARATOR, lineterminator="\r\n")
    writer.writerows([map(escape_formula, row) for row in rows])
    return out.getvalue()


async def stream(export: Export, language: str) -> AsyncIterator[str]:
    """Yield the file one batch of people at a time, so that it is never whole in memory and holds no cursor open."""
    yield BOM + _encode([export.header])
    last: int | None = 0
    while last is not None:
        rows, last = await sync_to_async(_batch_in)(language, export.batch, last)
        if rows:
            yield _encode(rows)


def _batch_in(language: str, batch: Batch, last: int) -> tuple[list[Row], int | None]:
    with override(language):
        return batch(last)


def file_name(title: str, webinar: Webinar) -> str:
    """Return a name such as «Итоги - Как начать - 2026-11-23.csv», without characters that a file system refuses."""
    moment = webinar.started_at or webinar.starts_at
    day = f"{moment.astimezone(webinar.zone):%Y-%m-%d}" if moment else str(webinar.pk)
    name = re.sub(r"(?:[^\w.,()-]|\s)+", " ", webinar.title).strip(" .")[:80].strip()
    return " - ".join(part for part in (title, name, day) if part) + ".csv"
