"""From the stop to queued messages: people a second, beside bare inserts of the same rows.

Bare is the limit: every row that the pipeline wrote (verdicts, journal, messages), built beforehand and inserted in
bulk with the same chunks. The classification runs in a process of its own, so that its memory is its own.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from django.core.management import call_command
from django.db import connection, models, transaction

from benchmarks.people import SYSTEM, create_people, live_webinar, open_broadcast
from benchmarks.tables import median, seconds, table, warn
from efir.accounts.capabilities import Role
from efir.accounts.models import Person
from efir.attendance import classifier, tracker
from efir.attendance.models import Verdict
from efir.hooks.models import JournalEntry
from efir.lib import clock
from efir.room.presence import IntervalRow, Pending, RecorderRow
from efir.room.presence_store import write
from efir.telegram.models import OutboxMessage
from efir.webinars import core
from efir.webinars.models import Webinar

SIZES = (1_000, 10_000, 100_000)
CHECKED = 10_000  # the size for which the limits below hold
RUNS = 3
CANDIDATES_OF_A_PARTNER = 100
MAX_TIMES_BARE = 3.0
MAX_MB = 200


def main(webinar_id: str = "") -> None:
    """Print the table for this process's database; with a webinar's id, classify it and print what that took."""
    logging.disable(logging.CRITICAL)
    if webinar_id:
        webinar = Webinar.objects.get(pk=webinar_id)
        taken = seconds(lambda: classify(webinar))
        # Not by getrusage: after a fork its peak begins with the parent's.
        peak_kb = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
        print(json.dumps({"seconds": taken, "megabytes": peak_kb / 1024}))
        return
    call_command("migrate", verbosity=0)
    partners = create_people(max(SIZES) // CANDIDATES_OF_A_PARTNER, Role.PARTNER, "partner")
    people = create_people(max(SIZES), inviters=partners)
    table(
        f"From the stop to queued messages, {classifier.chunk_size()} at once; medians of {RUNS} up to {CHECKED:,}",
        [
            "people",
            "entered, people/s",
            "judged to queued, people/s",
            "bare inserts, people/s",
            "× bare",
            "MB",
        ],
        [measure(people[:size], RUNS if size <= CHECKED else 1) for size in SIZES],
    )


def measure(people: list[Person], runs: int) -> list[object]:
    """Return the row of the table for so many people."""
    entered, classified, bare, megabytes = [], [], [], []
    for _ in range(runs):
        webinar = finished_webinar(people)
        entered.append(len(people) / seconds(lambda webinar=webinar: tracker.record_entries(webinar)))
        command = [sys.executable, "-m", "benchmarks.one", "pipeline", str(webinar.pk)]
        found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        classified.append(len(people) / found["seconds"])
        megabytes.append(found["megabytes"])
        rows = copied_rows(webinar)
        bare.append(len(people) / seconds(lambda rows=rows: insert(rows)))
    times = median(bare) / median(classified)
    if len(people) == CHECKED and (times > MAX_TIMES_BARE or max(megabytes) > MAX_MB):
        warn(f"{times:.1f} × bare and {max(megabytes):.0f} MB, not {MAX_TIMES_BARE} × and {MAX_MB} MB")
    figures = (median(entered), median(classified), median(bare))
    return [f"{len(people):,}", *figures, f"{times:.1f}", f"{max(megabytes):.0f}"]


def finished_webinar(people: list[Person]) -> Webinar:
    """Create a webinar that all of these people watched from start to stop."""
    webinar = live_webinar()
    open_broadcast(webinar, people)
    began, hour = clock.now(), timedelta(hours=1)
    recorder = RecorderRow(uuid4(), began - hour, began + hour, began + hour)
    intervals = tuple(
        IntervalRow(recorder.id, webinar.pk, each.pk, began, recorder.pulsed_at) for each in people
    )
    write(Pending((recorder,), intervals, intervals))
    webinar = core.core_webinar_set_status(webinar.pk, "stop", SYSTEM)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:  # as autovacuum does between webinars
            cursor.execute("ANALYZE")
    return webinar


def classify(webinar: Webinar) -> None:
    """Classify a webinar chunk by chunk, as the worker does."""
    while classifier.classify_chunk(webinar, classifier.chunk_size()):
        pass


def copied_rows(webinar: Webinar) -> list[list[models.Model]]:
    """Return copies of the rows that the pipeline wrote, for another webinar and not yet saved."""
    other = core.create({"title": "Эфир"}, SYSTEM)
    facts = JournalEntry.objects.filter(webinar_id=webinar.pk)
    messages = OutboxMessage.objects.filter(webinar=webinar)
    written: list[list[models.Model]] = [
        list(Verdict.objects.filter(webinar=webinar)),
        *(
            list(facts.filter(event=event))
            for event in (
                "client_webinar_completed", "client_webinar_attendance_classified", "post_webinar_route"
            )
        ),
        *(
            list(messages.filter(kind=kind))
            for kind in ("partner_attendance", "candidate_followup", "candidate_recording")
        ),
    ]  # fmt: skip
    for row in (row for rows in written for row in rows):
        row.pk, row.webinar_id = None, other.pk  # type: ignore[attr-defined]  # all of them have a webinar
        row._state.adding = True
    return written


def insert(written: list[list[models.Model]]) -> None:
    """Insert rows in bulk, with the chunks of the classifier."""
    for start in range(0, max(map(len, written)), classifier.chunk_size()):
        with transaction.atomic():
            for rows in written:
                if chunk := rows[start : start + classifier.chunk_size()]:
                    type(chunk[0])._default_manager.bulk_create(chunk, batch_size=classifier.chunk_size())
