"""9,000 logged-in people open the room's page and its stream within a minute; then they stay idle.

On PostgreSQL it is a shorter run at the same pace.
"""

from __future__ import annotations

import time

from django.conf import settings
from django.core.management import call_command

from benchmarks.load import SPARE_FILES, get, get_stream, load_generator, raise_file_limit
from benchmarks.people import create_people, live_webinar, log_in, room_page, room_stream
from benchmarks.servers import efir
from benchmarks.tables import ms, percentile, table, warn

PEOPLE, SHORT = 9000, 1500
PER_S = 150.0
FLUSHED_AFTER_S = 10.0  # presence is written at the latest 5 s after it began
STILL_S = 30.0


def main() -> None:
    """Print the table for this process's database."""
    call_command("migrate", verbosity=0)
    wanted = PEOPLE if settings.EFIR.is_sqlite else SHORT
    count = min(wanted, raise_file_limit() - SPARE_FILES)
    if count < wanted:
        warn(f"only {count} viewers fit into the limit of open files (ulimit -Hn)")
    webinar, cookies = live_webinar(), log_in(create_people(count))
    page, stream = room_page(webinar), room_stream(webinar)
    people = [(get(page, cookie, close=True), get_stream(stream, cookie)) for cookie in cookies]
    with efir("web") as server, load_generator() as load:
        load.call(server.port, [get(page, cookies[0])], 1.0)  # warms up
        before = server.cpu_s()
        answer = load.arrive(server.port, people, PER_S)
        arrival_cpu_s = server.cpu_s() - before
        time.sleep(FLUSHED_AFTER_S)
        before = server.cpu_s()
        time.sleep(STILL_S)
        still_cpu_s = server.cpu_s() - before
        rss_mb = server.rss_kb() / 1024
    pages = ("page, since it was due", answer["pages"])
    streams = ("stream, since the page was there", answer["streams"])
    table(
        f"{count:,} logged-in people open page and stream within {count / PER_S:.0f} s, {PER_S:.0f} a second",
        ["what", "answered", "p50, ms", "p99, ms", "last, ms"],
        [
            (name, f"{len(took):,}", *(ms(percentile(took, percent)) for percent in (50, 99, 100)))
            for name, took in (pages, streams)
        ],
    )
    seconds = answer["seconds"]
    print(
        f"Errors: {answer['errors'] or 'none'}. Everybody was in after {seconds:.1f} s; the server used "
        f"{arrival_cpu_s / seconds:.0%} of a core, the client {answer['cpu_s']:.1f} s in all.\nThen they sat still for "
        f"{STILL_S:.0f} s: {still_cpu_s / STILL_S:.1%} of a core, VmRSS {rss_mb:.0f} MB.\n",
        flush=True,
    )
