"""Every page of a large site, the deepest page of each list included: its queries and its processor time.

20,000 candidates of one partner, 500 webinars, and one candidate with a part in all of them.
"""

from __future__ import annotations

import logging
import sys

from django.conf import settings
from django.core.management import call_command

from benchmarks.tables import ms, seconds, table, warn
from tests.support.large_pages import PAGES, addresses, measure, visitors
from tests.support.large_site import LargeSite

PEOPLE, WEBINARS = 20_000, 500
MAX_QUERIES = 30
MAX_CPU_S = 0.3
EXPORT_BEGINS_S = 0.2


def main(people: str = str(PEOPLE)) -> int:
    """Print the table for this process's database. Return 1 if a page costs more than it may."""
    logging.disable(logging.CRITICAL)
    settings.ALLOWED_HOSTS = ["testserver"]
    call_command("migrate", verbosity=0)
    site = LargeSite()
    print(f"filled in {seconds(lambda: site.grow(int(people), WEBINARS)):.0f} s", file=sys.stderr, flush=True)
    client_of, values = visitors(site), addresses(site)
    rows, failed = [], 0
    for visitor, path in PAGES:
        address = path.format(**values)
        cost = measure(client_of(visitor), address)
        most_s = EXPORT_BEGINS_S if path.endswith(".csv") else MAX_CPU_S
        rows.append(
            (
                f"{path.replace('{', '<').replace('}', '>')} {visitor}",
                f"{cost.queries}",
                ms(cost.cpu_s),
                ms(cost.took_s),
                f"{cost.size / 1000:,.0f}",
            )
        )
        if cost.queries > MAX_QUERIES or cost.cpu_s > most_s or cost.status not in (200, 302, 503):
            failed = 1
            warn(f"{address} for {visitor}: {cost}")
    table(
        f"Pages at {int(people):,} people and {WEBINARS} webinars",
        ["page, visitor", "queries", "CPU ms", "ms", "kB"],
        rows,
    )
    return failed
