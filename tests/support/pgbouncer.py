"""PgBouncer in front of a PostgreSQL server, in any mode, on loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.support.ports import free_port
from tests.support.site import eventually
from tools.postgres import _user

MISSING = "PgBouncer is not here: SKIPPED what is behind it. To get it: apt-get install pgbouncer"
PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
needed = pytest.mark.skipif(not PROGRAM and os.environ.get("CI") != "true", reason=f"*** {MISSING} ***")


@contextmanager
def pooled(url: str, folder: Path, **options: str) -> Iterator[str]:
    """Run PgBouncer in front of the database at `url` while the block runs; yield the address that leads through it."""
    if PROGRAM is None:
        pytest.fail(MISSING)
    server, port = urlsplit(url), free_port()
    users = folder / "users.txt"
    users.write_text(f'"{server.username}" ""\n')
    given = {
        "listen_addr": "127.0.0.1",
        "listen_port": str(port),
        "unix_socket_dir": "",
        "auth_type": "trust",
        "auth_file": str(users),
    } | options
    lines = [f"{name} = {value}" for name, value in given.items()]
    ini = folder / "pgbouncer.ini"
    ini.write_text(
        "\n".join(["[databases]", f"* = host=127.0.0.1 port={server.port}", "[pgbouncer]", *lines, ""])
    )
    as_user = []
    if os.geteuid() == 0:  # it refuses to run as root
        as_user = ["runuser", "-u", _user(), "--"]
        for path in (folder, users, ini):
            shutil.chown(path, _user())
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*as_user, PROGRAM, str(ini)], stdout=log, stderr=log, cwd="/")
    address = url.replace(f":{server.port}/", f":{port}/")
    try:
        eventually(lambda: process.poll() is not None or _answers(address))
        assert process.poll() is None, (folder / "log").read_text()
        yield address
    finally:
        process.terminate()
        process.wait(30)


def _answers(address: str) -> bool:
    try:
        psycopg.connect(address).close()
    except psycopg.OperationalError:
        return False
    return True
