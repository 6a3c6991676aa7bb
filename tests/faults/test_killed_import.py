"""An import of 10,000 people and 500 webinars, killed repeatedly: in the end every row exists exactly once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.site import EFIR, Site, eventually, fresh_database
from tests.support.wordpress import post, user, write_export, write_users

PEOPLE, WEBINARS, AHEAD = 10_000, 500, 5
DEATHS = [
    "efir.importing.people:create_people:after",  # people written, their records not
    "efir.importing.people:write_people:after",  # the first chunk committed
]
DEATHS_AMONG_WEBINARS = [
    "efir.webinars.core:core_webinar_set_status:after",  # on air, and not committed
    "efir.webinars.core:archive:after",  # archived, and not remembered
    "efir.importing.webinars:write_webinar:after",
]


@pytest.fixture
def site(tmp_path) -> Iterator[Site]:
    with fresh_database() as url:
        site = Site(tmp_path, url)
        yield site
        site.stop()


def files(directory: Path) -> list[str]:
    """Write the files: every partner is invited by one in a later row, and the last by nobody."""
    posts = [post(number, f"Эфир {number}") for number in range(1, WEBINARS - AHEAD + 1)]
    posts += [
        post(number, state="scheduled", start=f"2090-01-0{number % 9 + 1} 19:00")
        for number in range(WEBINARS - AHEAD + 1, WEBINARS + 1)
    ]
    users = [
        user(number, "partner" if number % 10 == 0 else "candidate", str(min(number // 10 * 10 + 10, PEOPLE)))
        for number in range(1, PEOPLE)
    ]
    users.append(user(PEOPLE, "partner"))
    export = write_export(directory / "export.xml", posts)
    return ["import", "wordpress", str(export), "--users", str(write_users(directory / "users.csv", users))]


def die(site: Site, where: str, command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.launcher", where, *command],
        env=site.environ,
        capture_output=True,
        check=False,
    )
    assert done.returncode < 0, done.stderr.decode()[-2000:]


def kill_when(site: Site, rows: str, at_least: int, command: list[str]) -> None:
    """Kill the import as soon as the database has this many rows."""
    with site.log.open("ab") as log:
        process = subprocess.Popen([str(EFIR), *command], env=site.environ, stdout=log, stderr=log)
        eventually(lambda: site.count(rows) >= at_least or process.poll() is not None)
        site.kill(process)


def test_import_killed_at_any_moment_goes_on(site, tmp_path):
    command = files(tmp_path)
    assert site.run("migrate").returncode == 0
    for where in DEATHS:
        die(site, where, command)
        assert site.count("importing_importedrecord") == site.count("accounts_membership")
    kill_when(site, "accounts_person", PEOPLE // 2, command)
    assert site.count("importing_importedrecord") == site.count("accounts_person")
    for where in DEATHS_AMONG_WEBINARS:
        die(site, where, command)
    kill_when(site, "webinars_webinar", WEBINARS // 2, command)
    in_between = site.count("webinars_webinar WHERE status NOT IN ('archived', 'scheduled')")
    assert (site.count("accounts_person"), in_between) == (PEOPLE, 0)

    done = site.run(*command)
    *_, counts = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 0, done.stderr
    assert counts["people"] == {"known": PEOPLE}
    assert sum(counts["webinars"].values()) == WEBINARS
    again = json.loads(site.run(*command).stdout.splitlines()[-1])
    assert again["webinars"] == {"known": WEBINARS}

    assert site.count("accounts_person") == site.count("accounts_membership") == PEOPLE
    assert site.count("accounts_person WHERE invited_by_id IS NULL") == 1
    assert site.count("importing_importedrecord") == PEOPLE + WEBINARS
    assert site.count("webinars_webinar WHERE status = 'archived'") == WEBINARS - AHEAD
    assert site.count("webinars_ledgerentry") == 4 * (WEBINARS - AHEAD) + AHEAD
    assert site.count("hooks_journalentry") == site.count("telegram_outboxmessage") == 0
    verified = site.run("verify")
    assert verified.returncode == 0, verified.stdout
