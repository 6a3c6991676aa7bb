"""Verdicts and presence as CSV: for Excel as it stands in Russia, and for programs.

UTF-8 with a byte order mark and semicolons, moments twice: by the webinar's clock, and as ISO 8601 with the offset.
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
from efir.attendance import labels as words
from efir.attendance.intervals import clip
from efir.attendance.models import Participation, Verdict
from efir.attendance.report.stats import stretches_of
from efir.attendance.timeline import BroadcastTimeline, timeline_of
from efir.webinars.models import Webinar

BOM = "\ufeff"
SEPARATOR = ";"
AT_ONCE = 1000
# A spreadsheet takes what begins so for a formula.
FORMULA = tuple("=+-@\t\r\n＝＋－＠")

Row = Sequence[Any]
# From the last id to the rows of the next people and the last id among them, which is None where there is nobody more.
Batch = Callable[[int], tuple[list[Row], int | None]]


@dataclass(frozen=True, slots=True)
class Export:
    """A file: what it is, for the log and in words, and its columns and rows."""

    what: str
    words: str
    header: Row
    batch: Batch


def verdicts(webinar: Webinar) -> Export:
    """Every verdict of the webinar."""
    return Export("verdicts", _("Итоги"), verdict_header(), verdict_batch(webinar))


def presence(webinar: Webinar) -> Export:
    """Every stretch of presence in live time."""
    return Export("presence", _("Присутствие"), presence_header(), presence_batch(webinar))


def guarded(value: object) -> object:
    """A cell that no spreadsheet takes for a formula: a text that looks like one begins with an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.lstrip(" \u00a0").startswith(FORMULA) else value


def lines(rows: Iterable[Row]) -> str:
    """The rows as CSV."""
    out = io.StringIO()
    csv.writer(out, delimiter=SEPARATOR, lineterminator="\r\n").writerows([map(guarded, row) for row in rows])
    return out.getvalue()


async def stream(export: Export, language: str) -> AsyncIterator[str]:
    """The file, a batch of people at a time: no more than that is in memory, and no cursor stays open."""
    yield BOM + lines([export.header])
    last: int | None = 0
    while last is not None:
        rows, last = await sync_to_async(_in_language)(language, export.batch, last)
        if rows:
            yield lines(rows)


def _in_language(language: str, batch: Batch, last: int) -> tuple[list[Row], int | None]:
    with override(language):
        return batch(last)


def verdict_header() -> list[str]:
    """The columns of the verdicts."""
    return [
        _("Номер"),
        _("Имя"),
        _("Итог"),
        _("Причина"),
        _("Пояснение"),
        _("Секунд в эфире"),
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


def verdict_batch(webinar: Webinar) -> Batch:
    """The verdicts in the order of the people's numbers. Contacts and inviters are nobody else's: not here."""
    timeline = timeline_of(webinar)

    def batch(last: int) -> tuple[list[Row], int | None]:
        found = Verdict.objects.filter(webinar=webinar, lead_id__gt=last)
        verdicts = list(found.select_related("lead", "decided_by").order_by("lead_id")[:AT_ONCE])
        rows = [_verdict_row(each, timeline, webinar) for each in verdicts]
        return rows, verdicts[-1].lead_id if verdicts else None

    return batch


def _verdict_row(verdict: Verdict, timeline: BroadcastTimeline | None, webinar: Webinar) -> Row:
    spans = verdict.spans
    ends = [spans[0][0], spans[-1][1]] if spans else []
    return [
        verdict.lead_id,
        verdict.lead.name,
        words.verdict_word(verdict),
        words.reason_words(verdict),
        words.explain(verdict, timeline),
        round(verdict.present_s),
        *([_local(each, webinar) for each in ends] or ["", ""]),
        *([_iso(each, webinar) for each in ends] or ["", ""]),
        len(spans),
        {True: "true", False: "false", None: ""}[verdict.attended],
        verdict.reason,
        verdict.rule,
        _iso(verdict.decided_at or verdict.classified_at, webinar),
    ]


def presence_header() -> list[str]:
    """The columns of the presence."""
    return [_("Номер"), _("Имя"), _("С"), _("По"), _("С (ISO)"), _("По (ISO)"), _("Секунд")]


def presence_batch(webinar: Webinar) -> Batch:
    """Every stretch of live time in which a lead was there, each person's together."""
    timeline = timeline_of(webinar)

    def batch(last: int) -> tuple[list[Row], int | None]:
        leads = Participation.objects.filter(webinar=webinar, is_lead=True, person_id__gt=last)
        ids = list(leads.order_by("person_id").values_list("person_id", flat=True)[:AT_ONCE])
        if not ids or timeline is None:
            return [], None
        return list(_presence_rows(webinar, ids, timeline)), ids[-1]

    return batch


def _presence_rows(webinar: Webinar, ids: Sequence[int], timeline: BroadcastTimeline) -> Iterator[Row]:
    names = dict(Person.objects.filter(pk__in=ids).values_list("pk", "name"))
    for person_id, theirs in groupby(stretches_of(webinar, ids), key=lambda row: row[0]):
        for start, end in clip(((began, until) for __, began, until in theirs), timeline.live):
            yield [
                person_id,
                names[person_id],
                _local(start, webinar),
                _local(end, webinar),
                _iso(start, webinar),
                _iso(end, webinar),
                round((end - start).total_seconds()),
            ]


def _local(moment: datetime, webinar: Webinar) -> str:
    """«2026-11-23 19:05:07» by the webinar's clock: what a spreadsheet knows for a moment."""
    return f"{moment.astimezone(webinar.zone):%Y-%m-%d %H:%M:%S}"


def _iso(moment: datetime, webinar: Webinar) -> str:
    return moment.astimezone(webinar.zone).isoformat(timespec="seconds")


def file_name(what: str, webinar: Webinar) -> str:
    """«Итоги - Как начать - 2026-11-23.csv»: no sign that some file system refuses."""
    moment = webinar.started_at or webinar.starts_at
    day = f"{moment.astimezone(webinar.zone):%Y-%m-%d}" if moment else str(webinar.pk)
    title = re.sub(r"(?:[^\w.,()-]|\s)+", " ", webinar.title).strip(" .")[:80].strip()
    return " - ".join(part for part in (what, title, day) if part) + ".csv"
