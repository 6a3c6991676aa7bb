"""Upgrade a database with data of the first release; no data is lost."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.first_release import RULE
from tests.support.site import Site, fresh_database

COUNT = 2000
# Our table took over the rows of Django's own sessions (ADR 0013).
SESSIONS = "accounts_session"


@pytest.fixture
def earlier(tmp_path) -> Iterator[Site]:
    with fresh_database(empty=True) as url:
        site = Site(tmp_path, url, empty=True, DJANGO_SETTINGS_MODULE="efir.settings")
        seeding = site.start("python", "-m", "tests.support.first_release", str(COUNT), wait=False)
        assert seeding.wait(60) == 0, site.log.read_text()[-2000:]
        yield site


def backup_of(site: Site, name: str) -> Path:
    file = site.data_dir / name
    done = site.run("backup", str(file))
    assert done.returncode == 0, done.stderr
    return file


def tables(file: Path) -> dict[str, list[dict[str, object]]]:
    """Return each table's rows as {column: value}."""
    with zipfile.ZipFile(file) as archive:
        parts = [part for part in json.loads(archive.read("manifest.json"))["parts"] if part["table"]]
        return {
            part["table"]: [
                dict(zip(part["columns"], json.loads(line), strict=True))
                for line in archive.read(part["name"]).splitlines()
            ]
            for part in parts
        }


def check_survived(before: Path, after: Path, *, sessions: int) -> None:
    """Check that columns of both schemas have the same values, and that this many sessions are kept."""
    old, new = tables(before), tables(after)
    # Django and the roles in the code make these rows again, by name, after each migration.
    for table in old.keys() & new.keys() - {"auth_permission", "auth_group", "auth_group_permissions"}:
        if table == "django_content_type":
            continue
        assert len(new[table]) >= len(old[table]), table
        for row, kept in zip(old[table], new[table], strict=False):
            both = row.keys() & kept.keys()
            assert both, table
            assert {name: kept[name] for name in both} == {name: row[name] for name in both}, table
    assert len(old["accounts_person"]) > COUNT
    assert len(new[SESSIONS]) == sessions


def test_upgrade_keeps_every_value(earlier):
    before = backup_of(earlier, "before.zip")  # a backup migrates nothing
    done = earlier.run("verify")
    assert done.returncode == 1
    assert "is not applied. To do: run `efir migrate`" in done.stdout
    assert earlier.run("migrate").returncode == 0
    check_survived(before, backup_of(earlier, "after.zip"), sessions=COUNT)
    done = earlier.run("verify")
    assert done.returncode == 0, done.stdout
    verdicts = earlier.lines("verdicts", "--webinar", "1")
    assert {(line["rule"], line["watched"], line["live_s"]) for line in verdicts} == {(RULE, None, None)}
    assert all(line["recomputed"] == line["reason"] for line in verdicts)


def test_restore_upgrades_an_older_backup(earlier, tmp_path):
    before = backup_of(earlier, "before.zip")
    (tmp_path / "new").mkdir()
    with fresh_database(empty=True) as url:
        new = Site(tmp_path / "new", url, empty=True)
        done = new.run("restore", str(before), "--nothing-sent-since")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "OK" in done.stdout
        # Backups leave out Django's own session table, so everybody has to log in again.
        check_survived(before, backup_of(new, "after.zip"), sessions=0)
