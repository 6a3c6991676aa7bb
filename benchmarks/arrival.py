"""9,000 people who are logged in open the room's page and its stream within a minute; then they sit still.

They come at an even pace, whoever still waits, and their time counts from when they were due. On PostgreSQL it is a
short run at the same pace.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import django

django.setup()

from django.conf import settings  # noqa: E402  # after setup
from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402

from benchmarks.connections import SPARE_FILES, raise_file_limit  # noqa: E402
from benchmarks.crowd import Answer, Crowd, crowd, request_for, stream_request  # noqa: E402
from benchmarks.people import enrol, live_webinar, log_in, room_page, room_stream  # noqa: E402
from benchmarks.processes import Server, efir  # noqa: E402
from benchmarks.tables import ms, percentile, table, warn  # noqa: E402
from efir.room.models import PresenceInterval  # noqa: E402

PEOPLE, SHORT = 9000, 1500
PER_S = 150.0
SETTLED_WITHIN_S = 60.0
STILL_S = 60.0
COUNT_ONE = "UPDATE bench_writes SET rows = rows + 1"


def main() -> None:
    """Print the tables for this process's database."""
    call_command("migrate", verbosity=0)
    many = PEOPLE if settings.EFIR.is_sqlite else SHORT
    if (fit := raise_file_limit() - SPARE_FILES) < many:
        warn(f"only {fit} viewers fit: see RLIMIT_NOFILE (ulimit -Hn)")
    webinar, cookies = live_webinar(), log_in(enrol(min(fit, many)))
    people = [
        (
            request_for(room_page(webinar), cookie, close=True),
            stream_request(room_stream(webinar), cookie),
        )
        for cookie in cookies
    ]
    with efir("web") as server, crowd() as visitors:
        visitors.do(
            "call", port=server.port, requests=[request_for(room_page(webinar), cookies[0])], seconds=1.0
        )
        before = server.cpu_s()
        answer = visitors.do("arrive", port=server.port, people=people, per_s=PER_S)
        _print_arrival(answer, len(people), server.cpu_s() - before)
        if settings.EFIR.is_sqlite:
            _sit_still(server, visitors)


def _print_arrival(answer: Answer, people: int, server_cpu_s: float) -> None:
    pages, streams = answer["pages"], answer["streams"]
    table(
        f"{people:,} logged-in people open page and stream within {people / PER_S:.0f} s, {PER_S:.0f} a second",
        ["what", "answered", "p50, ms", "p99, ms", "last, ms"],
        [
            (name, f"{len(took):,}", *(ms(percentile(took, percent)) for percent in (50, 99, 100)))
            for name, took in (
                ("page, since it was due", pages),
                ("stream, since the page was there", streams),
            )
        ],
    )
    seconds = answer["seconds"]
    print(
        f"Errors: {answer['errors'] or 'none'}. Everybody was in after {seconds:.1f} s; the server used "
        f"{server_cpu_s:.1f} s of CPU ({server_cpu_s / seconds:.0%} of a core), the client {answer['cpu_s']:.1f} s.\n",
        flush=True,
    )


def _sit_still(server: Server, visitors: Crowd) -> None:
    watching = visitors.do("lost")
    _settle(watching["open"])
    with _writes_counted() as writes:
        cpu_s, intervals, written = server.cpu_s(), PresenceInterval.objects.count(), writes()
        time.sleep(STILL_S)
        cpu_s, written = server.cpu_s() - cpu_s, writes() - written
        intervals = PresenceInterval.objects.count() - intervals
    afterwards = visitors.do("lost")
    if afterwards["open"] < watching["open"]:
        warn(f"{watching['open'] - afterwards['open']} streams were lost meanwhile")
    table(
        f"{afterwards['open']:,} viewers sit still for {STILL_S:.0f} s",
        ["what", "figure"],
        [
            ("CPU of the web process, of one core", f"{cpu_s / STILL_S:.1%}"),
            ("rows written to the table of presence (counted by triggers)", str(written)),
            ("rows more in it", str(intervals)),
        ],
    )


def _settle(people: int) -> None:
    """Wait until everybody's presence is in the database, and a while more."""
    deadline = time.monotonic() + SETTLED_WITHIN_S
    while PresenceInterval.objects.count() < people and time.monotonic() < deadline:
        time.sleep(0.5)
    time.sleep(2)


@contextmanager
def _writes_counted() -> Iterator[Callable[[], int]]:
    """Count the rows that anybody inserts, changes or deletes in the table of presence (SQLite)."""
    operations = ("INSERT", "UPDATE", "DELETE")
    _execute("CREATE TABLE bench_writes (rows INTEGER)", "INSERT INTO bench_writes VALUES (0)")
    for operation in operations:
        _execute(
            f"CREATE TRIGGER bench_{operation} AFTER {operation} ON {PresenceInterval._meta.db_table} "
            f"BEGIN {COUNT_ONE}; END"
        )

    def so_far() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT rows FROM bench_writes")
            (rows,) = cursor.fetchone()
        return int(rows)

    try:
        yield so_far
    finally:
        _execute(*(f"DROP TRIGGER bench_{operation}" for operation in operations), "DROP TABLE bench_writes")


def _execute(*statements: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


if __name__ == "__main__":
    main()
