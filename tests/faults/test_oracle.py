"""A few webinars with faults; an oracle that knows only the records of its clients checks the verdicts.

`python -m tests.oracle` runs any number of them.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from tests.oracle.run import Options, Result, hold_evenings

PEOPLE = 40
# Each evening takes some 45 s, nearly all of it waiting: they are held at once.
SQLITE = ("freeze_past_stop", "kill_in_pause")
POSTGRES = ("freeze_past_stop_in_pause", "database_restart+kill")


def test_verdicts_of_evenings_with_faults_are_right():
    is_postgres = os.environ.get("EFIR_DATABASE_URL", "").startswith("postgres")
    scenarios = POSTGRES if is_postgres else SQLITE

    def hold(seed: int) -> Result:
        options = Options(PEOPLE, is_postgres, (scenarios[seed],), watching=True)
        return next(iter(hold_evenings([seed], options)))

    with ThreadPoolExecutor(len(scenarios)) as pool:
        results = list(pool.map(hold, range(len(scenarios))))
    assert [text for result in results for text in result.wrong] == []
    assert {result.verdicts.total() for result in results} == {PEOPLE}
