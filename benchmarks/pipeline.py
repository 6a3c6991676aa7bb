"""From the stop to queued messages: people a second, beside the bare inserts of the same rows and one by one.

Bare is what the database takes for it: every row that the pipeline has written (verdicts, journal, messages), made
beforehand and inserted in bulk with the same chunks. One by one is how the predecessor worked (a transaction and its
queries for each person). The classification runs in a process of its own, so that its memory is its own.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import django

django.setup()

from django.core.management import call_command  # noqa: E402  # after setup
from django.db import connection, models, transaction  # noqa: E402

from benchmarks.tables import median, seconds, table, warn  # noqa: E402
from efir.accounts.capabilities import Role  # noqa: E402
from efir.accounts.models import Group, Membership, Person  # noqa: E402
from efir.accounts.services import create_person  # noqa: E402
from efir.attendance import classifier, tracker  # noqa: E402
from efir.attendance.models import Verdict  # noqa: E402
from efir.hooks.actions import Context, Source  # noqa: E402
from efir.hooks.models import JournalEntry  # noqa: E402
from efir.lib import clock  # noqa: E402
from efir.room.presence import IntervalRow, Pending, RecorderRow  # noqa: E402
from efir.room.presence_store import write  # noqa: E402
from efir.telegram.models import OutboxMessage  # noqa: E402
from efir.webinars import core  # noqa: E402
from efir.webinars.models import Webinar  # noqa: E402

SIZES = (1_000, 10_000, 100_000)
JUDGED = 10_000  # the size on which the demands are made
RUNS = 3
FEW = 200
CANDIDATES_OF_A_PARTNER = 100
MOST_TIMES_BARE = 3.0
MOST_MB = 200
SYSTEM = Context(None, Source.SYSTEM)


def main() -> None:
    """Print the table for this process's database."""
    logging.disable(logging.CRITICAL)
    call_command("migrate", verbosity=0)
    people = _people(max(SIZES))
    rows = [_one_by_one(people[:FEW])]
    for size in SIZES:
        rows.append(_line(people[:size], RUNS if size <= JUDGED else 1))
    table(
        f"From the stop to queued messages, in chunks of {classifier.CHUNK}; medians of {RUNS} up to {JUDGED:,} people",
        [
            "people",
            "entered, people/s",
            "judged to queued, people/s",
            "bare inserts, people/s",
            "× bare",
            "MB",
        ],
        rows,
    )


def _line(people: list[Person], runs: int) -> list[object]:
    entered, judged, bare, peak = [], [], [], []
    for _ in range(runs):
        webinar = _evening(people)
        entered.append(len(people) / seconds(lambda webinar=webinar: tracker.record_entries(webinar)))
        done = _in_a_process_of_its_own(webinar)
        judged.append(len(people) / done["seconds"])
        peak.append(done["megabytes"])
        bare.append(len(people) / _bare(webinar))
    times, megabytes = median(bare) / median(judged), max(peak)
    if len(people) == JUDGED and (times > MOST_TIMES_BARE or megabytes > MOST_MB):
        warn(
            f"{times:.1f} × the bare inserts and {megabytes:.0f} MB, not {MOST_TIMES_BARE} × and {MOST_MB} MB"
        )
    return [
        f"{len(people):,}",
        median(entered),
        median(judged),
        median(bare),
        f"{times:.1f}",
        f"{megabytes:.0f}",
    ]


def _one_by_one(people: list[Person]) -> list[object]:
    webinar = _evening(people)
    tracker.record_entries(webinar)
    judged = len(people) / seconds(lambda: _classify(webinar, 1))
    return [f"{len(people)}, one by one (the predecessor's way)", "", judged, "", "", ""]


def _people(count: int) -> list[Person]:
    partners = [
        create_person(login=f"partner{number}", name="Партнёр", role=Role.PARTNER, password=None)
        for number in range(count // CANDIDATES_OF_A_PARTNER)
    ]
    people = Person.objects.bulk_create(
        [
            Person(login=f"c{number}", name=f"Кандидат {number}", invited_by=partners[number % len(partners)])
            for number in range(count)
        ],
        batch_size=5000,
    )
    group = Group.objects.get(name=Role.CANDIDATE)
    Membership.objects.bulk_create(
        [Membership(person=person, group=group) for person in people], batch_size=5000
    )
    return people


def _evening(people: list[Person]) -> Webinar:
    fields = {"title": "Эфир", "starts_at": clock.now(), "player_url": "https://rutube.ru/x"}
    webinar = core.create(fields, SYSTEM)
    core.publish(webinar.pk, SYSTEM)
    webinar = core.core_webinar_set_status(webinar.pk, "start", SYSTEM)
    began = clock.now()
    recorder = RecorderRow(
        uuid4(), began - timedelta(hours=1), began + timedelta(hours=1), began + timedelta(hours=1)
    )
    write(
        Pending(
            (recorder,),
            tuple(
                IntervalRow(recorder.id, webinar.pk, person.pk, began, recorder.pulsed_at)
                for person in people
            ),
        )
    )
    webinar = core.core_webinar_set_status(webinar.pk, "stop", SYSTEM)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:  # what autovacuum does on a machine that is not measured
            cursor.execute("ANALYZE")
    return webinar


def _in_a_process_of_its_own(webinar: Webinar) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.pipeline", str(webinar.pk)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def classify(webinar_id: int) -> None:
    """Classify a webinar and print how many seconds that took, and this process's peak of memory."""
    logging.disable(logging.CRITICAL)
    webinar = Webinar.objects.get(pk=webinar_id)
    taken = seconds(lambda: _classify(webinar, classifier.CHUNK))
    print(json.dumps({"seconds": taken, "megabytes": _peak_mb()}))


def _peak_mb() -> float:
    """This process's peak of memory. Not by getrusage: after a fork that begins with the parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _classify(webinar: Webinar, size: int) -> None:
    while classifier.classify_chunk(webinar, size):
        pass


def _bare(webinar: Webinar) -> float:
    """How many seconds it takes to insert what the pipeline wrote for this webinar, as if for another one."""
    other = core.create({"title": "Эфир"}, SYSTEM)
    written: list[list[models.Model]] = [
        list(Verdict.objects.filter(webinar=webinar)),
        *[
            list(JournalEntry.objects.filter(webinar_id=webinar.pk, event=event))
            for event in (
                "client_webinar_completed",
                "client_webinar_attendance_classified",
                "post_webinar_route",
            )
        ],
        *[
            list(OutboxMessage.objects.filter(webinar=webinar, kind=kind))
            for kind in ("partner_attendance", "candidate_followup", "candidate_recording")
        ],
    ]
    for row in (row for rows in written for row in rows):
        row.pk, row.webinar_id = None, other.pk  # type: ignore[attr-defined]  # all of them have a webinar
        row._state.adding = True
    return seconds(lambda: _insert(written))


def _insert(written: Sequence[Sequence[models.Model]]) -> None:
    for start in range(0, max(map(len, written)), classifier.CHUNK):
        with transaction.atomic():
            for rows in written:
                if chunk := rows[start : start + classifier.CHUNK]:
                    type(chunk[0])._default_manager.bulk_create(chunk, batch_size=classifier.CHUNK)


if __name__ == "__main__":
    classify(int(sys.argv[1])) if len(sys.argv) > 1 else main()
