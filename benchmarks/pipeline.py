"""From recorded presence to queued messages: people a second, in chunks and, as the peer, one by one.

One by one is how the predecessor worked (a transaction and its queries for each person); the same code does both.
The limit is the same number of bare journal rows in bulk.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import uuid4

import django

django.setup()

from django.core.management import call_command  # noqa: E402  # after setup

from benchmarks.tables import median, seconds, table  # noqa: E402
from efir import clock  # noqa: E402
from efir.accounts.capabilities import Role  # noqa: E402
from efir.accounts.models import Group, Membership, Person  # noqa: E402
from efir.accounts.people import create_person  # noqa: E402
from efir.attendance import classifier, tracker  # noqa: E402
from efir.hooks.actions import Context, Source  # noqa: E402
from efir.hooks.models import JournalEntry  # noqa: E402
from efir.room.presence import IntervalRow, Pending, RecorderRow  # noqa: E402
from efir.room.storage import write  # noqa: E402
from efir.telegram.models import OutboxMessage  # noqa: E402
from efir.webinars import core  # noqa: E402
from efir.webinars.models import Webinar  # noqa: E402

PEOPLE = 2000
RUNS = 3
SYSTEM = Context(None, Source.SYSTEM)


def main() -> None:
    """Print the table for this process's database."""
    logging.disable(logging.CRITICAL)
    call_command("migrate", verbosity=0)
    people = _people()
    entered, chunked, single, bare = [], [], [], []
    for _ in range(RUNS):
        webinar = _evening(people)
        entered.append(PEOPLE / seconds(lambda webinar=webinar: tracker.record_entries(webinar)))
        chunked.append(PEOPLE / seconds(lambda webinar=webinar: _classify(webinar, classifier.CHUNK)))
        few = _evening(people[: PEOPLE // 10])
        tracker.record_entries(few)
        single.append(PEOPLE / 10 / seconds(lambda webinar=few: _classify(webinar, 1)))
        bare.append(PEOPLE / seconds(_bare_rows))
    messages = OutboxMessage.objects.filter(webinar=webinar).count()
    table(
        f"From presence to queued messages, {PEOPLE} candidates, people a second, medians of {RUNS}",
        ["what", "people/s", "against one by one"],
        [
            ("entered (journal and participation)", median(entered), ""),
            (
                f"verdict, two events, route and {messages / PEOPLE:g} messages each, in chunks of {classifier.CHUNK}",
                median(chunked),
                f"{median(chunked) / median(single):.1f} ×",
            ),
            ("the same, one by one (peer)", median(single), "1 ×"),
            ("one bare journal row each, in bulk (limit)", median(bare), ""),
        ],
    )


def _people() -> list[Person]:
    partner = create_person(login="partner", name="Партнёр", role=Role.PARTNER, password=None)
    people = Person.objects.bulk_create(
        [
            Person(login=f"c{number}", name=f"Кандидат {number}", invited_by=partner)
            for number in range(PEOPLE)
        ]
    )
    group = Group.objects.get(name=Role.CANDIDATE)
    Membership.objects.bulk_create([Membership(person=person, group=group) for person in people])
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
    return core.core_webinar_set_status(webinar.pk, "stop", SYSTEM)


def _classify(webinar: Webinar, size: int) -> None:
    while classifier.classify_chunk(webinar, size):
        pass


def _bare_rows() -> None:
    now, batch = clock.now(), uuid4()
    JournalEntry.objects.bulk_create(
        [
            JournalEntry(
                event="bench",
                webinar_id=now.timestamp(),
                lead_id=number,
                moment=now,
                payload={},
                recorded_at=now,
                batch=batch,
            )
            for number in range(PEOPLE)
        ],
        batch_size=500,
    )


if __name__ == "__main__":
    main()
