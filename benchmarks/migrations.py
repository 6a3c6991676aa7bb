"""Upgrade, backup, restore and check of a full database: seconds and peak memory of each operator's command.

The database is as the first release left it (`tests.support.first_release`). `--participants 2000` takes
fewer.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from benchmarks.servers import EFIR
from benchmarks.tables import table, warn

MAX_MB = 300


def main(_option: str = "--participants", participants: str = "100000") -> None:
    """Print the table for the database of the environment."""
    here = dict(os.environ)
    url = here.get("EFIR_DATABASE_URL", "")
    if url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE efir_restored")
    with tempfile.TemporaryDirectory(prefix="efir-bench-") as other:
        restored = url and url.rpartition("/")[0] + "/efir_restored"
        there = here | {"EFIR_DATA_DIR": other, "EFIR_DATABASE_URL": restored}
        file = str(Path(other) / "efir-backup.zip")
        fill = [sys.executable, "-m", "tests.support.first_release", participants]
        steps = [
            ("filled, as the first release left it", fill, here),
            ("`efir backup`, of the first release's schema", [*EFIR, "backup", file], here),
            ("`efir migrate`, to this version", [*EFIR, "migrate"], here),
            ("`efir backup`", [*EFIR, "backup", file, "--overwrite"], here),
            ("`efir verify`", [*EFIR, "verify"], here),
            ("`efir restore`, and verify", [*EFIR, "restore", file, "--assume-nothing-sent"], there),
        ]
        rows = []
        for name, command, environ in steps:
            started = time.perf_counter()
            process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            taken, megabytes = time.perf_counter() - started, usage.ru_maxrss / 1024
            if process.returncode:
                sys.exit(f"{name} failed: {command}")
            if "efir" in name and megabytes > MAX_MB:
                warn(f"{name} took {megabytes:.0f} MB, not {MAX_MB}")
            rows.append((name, f"{taken:.1f}", f"{megabytes:.0f}"))
        size_mb = Path(file).stat().st_size / 1e6
    table(
        f"A full database: {int(participants):,} participants; the backup has {size_mb:,.0f} MB",
        ["what", "seconds", "peak MB"],
        rows,
    )
