"""An upgrade, a backup, a restore and a check of a full database: seconds, and the peak of each command's memory.

The database is as the first release left it (`benchmarks.earlier`). Each is the command that an operator calls, in a
process of its own. `python -m benchmarks.migrations COUNT` takes another number of participants.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg

from benchmarks.tables import table, warn

COUNT = 100_000
MOST_MB = 300


def main(count: int) -> None:
    """Print the table for the database of the environment."""
    here = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="efir-bench-") as other:
        there = here | {
            "EFIR_DATA_DIR": other,
            "EFIR_DATABASE_URL": _another(here.get("EFIR_DATABASE_URL", "")),
        }
        file = str(Path(other) / "efir-backup.zip")
        efir = str(Path(sys.executable).with_name("efir"))
        rows = [
            _timed(
                "filled, as the first release left it",
                [sys.executable, "-m", "benchmarks.earlier", str(count)],
                here,
            ),
            _timed("`efir backup`, of the earlier schema", [efir, "backup", file], here),
            _timed("`efir migrate`, to this version", [efir, "migrate"], here),
            _timed("`efir backup`", [efir, "backup", file, "--overwrite"], here),
            _timed("`efir verify`", [efir, "verify"], here),
            _timed("`efir restore`, and verify", [efir, "restore", file, "--nothing-sent-since"], there),
        ]
        size = Path(file).stat().st_size / 1e6
    table(
        f"A full database: {count:,} participants; the backup has {size:,.0f} MB",
        ["what", "seconds", "peak MB"],
        rows,
    )


def _timed(what: str, command: Sequence[str], environ: Mapping[str, str]) -> list[object]:
    started = time.perf_counter()
    process = subprocess.Popen(command, env=dict(environ), stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    taken, megabytes = time.perf_counter() - started, used.ru_maxrss / 1024
    if process.returncode:
        sys.exit(f"{what} failed: {command}")
    if "efir" in what and megabytes > MOST_MB:
        warn(f"{what} took {megabytes:.0f} MB, not {MOST_MB}")
    return [what, f"{taken:.1f}", f"{megabytes:.0f}"]


def _another(url: str) -> str:
    """A second database on the same server, where there is a server."""
    if not url:
        return ""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE efir_restored")
    return url.rpartition("/")[0] + "/efir_restored"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT)
