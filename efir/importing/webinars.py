"""Plan and write the webinars of a WordPress export.

The plan reads everything and writes nothing; each webinar is then written in one transaction, by Core's functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import transaction

from efir.attendance.models import Classification
from efir.hooks.actions import Context, Source
from efir.importing.mapping import ImportMapping
from efir.importing.models import ImportedRecord
from efir.importing.post_text import html_to_text
from efir.importing.report import Report, Row
from efir.importing.start_times import read_start
from efir.importing.wxr import MAX_CHARACTERS, Post, WxrExport
from efir.lib import clock
from efir.lib.text import clean_line
from efir.webinars import core
from efir.webinars.embeds import MAX_LENGTH, clean_chat_url, clean_player_url
from efir.webinars.models import Webinar, default_time_zone

KIND = "webinars"
BY_OPERATOR = Context(None, Source.CLI)
TITLE_MAX_LENGTH = 200
SPEAKER_MAX_LENGTH = 150
CTA_MAX_LENGTH = 100
# The speaker's form allows 5,000 characters; texts of another system may be longer.
DESCRIPTION_MAX_LENGTH = 20_000

STATUSES = frozenset({"scheduled", "live", "paused", "ended"})
# The statuses of posts that are public, or will be at their time; a private one becomes a draft.
_PUBLISHED = frozenset({"publish", "future"})
_DELETED = frozenset({"trash", "auto-draft", "inherit"})

_is_url = URLValidator(schemes=["http", "https"])


@dataclass(frozen=True, slots=True)
class WebinarPlan:
    """One webinar to write.

    published_at: when it was published; None if it stays a draft.
    ended_at: the end of one that is over; None if it is ahead.
    """

    foreign_id: str
    fields: Mapping[str, Any]
    published_at: datetime | None
    ended_at: datetime | None
    recording_url: str


def plan_webinars(
    export: WxrExport, source: str, mapping: ImportMapping, file: str, report: Report
) -> list[WebinarPlan]:
    """Return the webinars to write, without imported ones; `report` gets the refused posts."""
    known = ImportedRecord.objects.filter(source=source).exclude(webinar=None)
    known_ids = set(known.values_list("foreign_id", flat=True))
    zone = ZoneInfo(mapping.time_zone or default_time_zone())
    seen: set[str] = set()
    plans = []
    for post in export.posts:
        row = Row(report, file, post.line, KIND, post.id)
        if not (post.id.isascii() and post.id.isdigit() and len(post.id) < 20):
            row.refuse("id_missing")
        elif post.id in seen:
            row.refuse("id_twice")
        elif post.id in known_ids:
            report.count(KIND, "known")
        elif post.status in _DELETED:
            row.note("deleted", status=post.status)  # there is nothing to correct
        else:
            try:
                plans.append(_Reader(post, mapping, zone, row).plan())
            except _Refused as refused:
                row.refuse(refused.code, **refused.values)
        seen.add(post.id)
    return plans


class _Refused(Exception):
    """A post is left out, by this code."""

    def __init__(self, code: str, **values: Any) -> None:
        super().__init__(code)
        self.code, self.values = code, values


class _Reader:
    """Reads one post, and reports what it cannot read."""

    def __init__(self, post: Post, mapping: ImportMapping, zone: ZoneInfo, row: Row) -> None:
        self._post, self._mapping, self._zone, self._row = post, mapping, zone, row

    def plan(self) -> WebinarPlan:
        """Return the plan. Raises _Refused."""
        post, row = self._post, self._row
        title = clean_line(html_to_text(post.texts.get("title", "")[:MAX_CHARACTERS]))
        html = post.texts.get("content:encoded", "")
        description = html_to_text(html) if len(html) <= MAX_CHARACTERS else html
        status = self._meta("status")
        if not title or len(title) > TITLE_MAX_LENGTH:
            raise _Refused("title_length", length=len(title), limit=TITLE_MAX_LENGTH)
        if len(description) > DESCRIPTION_MAX_LENGTH:
            raise _Refused("text_length", limit=DESCRIPTION_MAX_LENGTH)
        if status and status not in STATUSES:
            raise _Refused("status_unknown", status=status[:40])
        is_draft = post.status not in _PUBLISHED
        text = self._meta("start")
        starts_at = read_start(text, self._mapping.date_formats, self._zone)
        if text and starts_at is None:
            raise _Refused("start_unreadable", text=text[:60])
        if starts_at is None and not is_draft:
            raise _Refused("start_missing")
        length_min = self._length()
        now = clock.now()
        ends_at = starts_at + timedelta(minutes=length_min) if starts_at else None
        is_over = not is_draft and ends_at is not None and ends_at <= now
        if not is_over and status in ("live", "paused"):
            raise _Refused("on_air", status=status)
        if not is_over and not is_draft and status == "ended":
            raise _Refused("ended_ahead")
        if is_over and status != "ended":
            row.note("not_ended", status=status or "-")
        fields = {
            "title": title,
            "description": description,
            "starts_at": starts_at,
            "time_zone": self._zone.key,
            "length_min": length_min,
            **self._looks(is_over=is_over),
        }
        published_at = None
        if not is_draft:
            # A post may have been created after the webinar; the ledger begins no later than the broadcast.
            published_at = min(filter(None, (post.published_at or now, starts_at, now)))
        return WebinarPlan(
            post.id, fields, published_at, ends_at if is_over else None, self._recording(is_over=is_over)
        )

    def _meta(self, name: str) -> str:
        return clean_line(self._post.meta.get(self._mapping.meta[name], "")[:MAX_CHARACTERS])

    def _length(self) -> int:
        text = self._meta("length_min")
        if not text:
            return self._mapping.length_min
        if text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= 1440:
            return int(text)
        self._row.note("length_unreadable", text=text[:20], length=self._mapping.length_min)
        return self._mapping.length_min

    def _looks(self, *, is_over: bool) -> dict[str, Any]:
        """Return the optional fields that can be used, and note the others."""
        fields: dict[str, Any] = {}
        for name, most in (("speaker", SPEAKER_MAX_LENGTH), ("cta_text", CTA_MAX_LENGTH)):
            text = self._meta(name)
            if len(text) > most:
                self._row.note("field_length", field=self._mapping.meta[name], limit=most)
            elif text:
                fields["speaker_name" if name == "speaker" else name] = text
        for name, clean in (("player", clean_player_url), ("chat", clean_chat_url)):
            text = self._meta(name)
            try:
                url = clean(text) if text else ""
            except ValidationError:
                self._row.note(f"{name}_unusable")
                continue
            if url:
                fields[f"{name}_url"] = url
            elif name == "player" and not is_over:
                self._row.note("player_missing")
        for name in ("poster", "cta_link"):
            if self._meta(name):
                self._row.note(f"{name}_left")
        return fields

    def _recording(self, *, is_over: bool) -> str:
        url = self._meta("recording")
        if not url:
            return ""
        try:
            _is_url(url)
        except ValidationError:
            url = ""
        if not url or len(url) > MAX_LENGTH or not is_over:
            self._row.note("recording_unusable")
            return ""
        return url


def write_webinar(plan: WebinarPlan, source: str) -> Webinar:
    """Write one webinar with all of its transitions, or nothing of it.

    Between the transitions of one that is over no other process sees it on air, so nobody is counted as absent, no
    event is emitted, and no message is written.
    """
    with transaction.atomic():
        webinar = core.create(plan.fields, BY_OPERATOR)
        if plan.published_at:
            with clock.stopped_at(plan.published_at):
                webinar = core.publish(webinar.pk, BY_OPERATOR)
        if plan.ended_at and webinar.starts_at:
            for status, moment in (("start", webinar.starts_at), ("stop", plan.ended_at)):
                with clock.stopped_at(moment):
                    core.core_webinar_set_status(webinar.pk, status, BY_OPERATOR)
            if plan.recording_url:
                core.publish_recording(webinar.pk, plan.recording_url, BY_OPERATOR)
            # There are no leads to classify: without this the worker and the pages would wait for verdicts.
            Classification.objects.create(webinar=webinar, done_at=clock.now())
            webinar = core.archive(webinar.pk, BY_OPERATOR)
        ImportedRecord.objects.create(source=source, foreign_id=plan.foreign_id, webinar=webinar)
        return webinar
