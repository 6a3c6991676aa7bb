"""`make bench`: every benchmark on a database of its own, one after the other.

`python -m benchmarks NAME …` runs the named parts alone; `--seconds 60` makes the soak shorter than its ten minutes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from benchmarks.tables import warn
from tools.postgres import MISSING, binaries, cluster

SQLITE = (
    "evening",
    "logins",
    "pipeline",
    "sending",
    "fanout",
    "arrival",
    "doors",
    "paint",
    "migrations",
    "soak",
)
POSTGRESQL = ("logins", "pipeline", "sending", "fanout", "arrival", "migrations")
OPTIONS: dict[str, list[str]] = {}


def main(arguments: Sequence[str]) -> int:
    """Run the named parts (all, if none is named) on SQLite, then on PostgreSQL where it is installed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("parts", nargs="*", metavar="NAME")
    parser.add_argument("--seconds", default="600", help="how long the soak lasts")
    options = parser.parse_args(arguments)
    only, OPTIONS["soak"] = options.parts, ["--seconds", options.seconds]
    if unknown := set(only) - {*SQLITE, *POSTGRESQL}:
        sys.exit(f"There is no part {', '.join(sorted(unknown))}: there are {', '.join(SQLITE)}.")
    failed = _run_all("SQLite", nullcontext, _wanted(SQLITE, only))
    if binaries() is None:
        warn(MISSING)
        return failed or int(os.environ.get("CI") == "true")
    return _run_all("PostgreSQL", cluster, _wanted(POSTGRESQL, only)) or failed


def _wanted(parts: Sequence[str], only: Sequence[str]) -> list[str]:
    return [part for part in parts if part in only or not only]


def _run_all(
    name: str, database: Callable[[], AbstractContextManager[str | None]], parts: Sequence[str]
) -> int:
    print(f"\n## {name}, {os.cpu_count()} cores, Python {sys.version.split()[0]}\n", flush=True)
    failed = 0
    for part in parts:
        with tempfile.TemporaryDirectory(prefix="efir-bench-") as data_dir, database() as url:
            environ = os.environ | {
                "EFIR_DATA_DIR": data_dir,
                "EFIR_DATABASE_URL": url or "",
                "EFIR_LOG_LEVEL": "ERROR",
                "DJANGO_SETTINGS_MODULE": "efir.settings",
            }
            command = [sys.executable, "-m", f"benchmarks.{part}", *OPTIONS.get(part, [])]
            failed |= subprocess.run(command, env=environ, check=False).returncode
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
