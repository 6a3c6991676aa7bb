"""A migrated database, created once per test run and copied: migrating an empty one costs 4 s of processor time."""

from __future__ import annotations

import atexit
import fcntl
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import psycopg
from psycopg import sql


@cache
def run_dir() -> Path:
    """Return the directory of this run; who starts first makes it, and those it starts inherit the variable."""
    if "TESTS_RUN_DIR" not in os.environ:
        os.environ["TESTS_RUN_DIR"] = tempfile.mkdtemp(prefix="efir-tests-run-")
        atexit.register(shutil.rmtree, os.environ["TESTS_RUN_DIR"], ignore_errors=True)
    return Path(os.environ["TESTS_RUN_DIR"])


def copy_file(to: Path) -> None:
    """Copy the migrated SQLite database to this path."""
    shutil.copy(run_dir() / _once("sqlite", _migrate_file), to)


def database(server_url: str) -> str:
    """Return the name of the migrated database on this PostgreSQL server."""
    return _once("postgresql", lambda: _migrate_database(server_url))


def create_database(server_url: str, name: str, template: str) -> str:
    """Create a copy of the template beside the URL's database, on PostgreSQL; return its URL."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        identifiers = sql.Identifier(name), sql.Identifier(template)
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*identifiers))
    return f"{server_url.rpartition('/')[0]}/{name}"


def _once(kind: str, make: Callable[[], str]) -> str:
    """Return the name of the database or file that the first process of the run has created."""
    known = run_dir() / f"{kind}.name"
    with (run_dir() / f"{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not known.exists():
            known.write_text(make())
    return known.read_text()


def _migrate_file() -> str:
    with tempfile.TemporaryDirectory() as data_dir:
        _migrate(data_dir)
        shutil.move(Path(data_dir) / "efir.sqlite3", run_dir() / "migrated.sqlite3")
    return "migrated.sqlite3"


def _migrate_database(server_url: str) -> str:
    name = f"efir_migrated_{secrets.token_hex(6)}"
    url = create_database(server_url, name, "template1")
    with tempfile.TemporaryDirectory() as data_dir:
        _migrate(data_dir, EFIR_DATABASE_URL=url)
    return name


def _migrate(data_dir: str, **environ: str) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EFIR_", "DJANGO_"))}
    command = [Path(sys.executable).with_name("efir"), "migrate"]
    subprocess.run(command, env=kept | {"EFIR_DATA_DIR": data_dir} | environ, check=True, capture_output=True)
