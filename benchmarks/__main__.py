"""Run benchmarks, each on a database of its own: `make bench`, or `python -m benchmarks [NAME …]`.

With `--base REV` each named benchmark also runs on that revision, alternating with the working tree, and the ratios of
the medians are printed. `--long` runs the benchmarks that show growth or drift: they take an hour and a half, and with
`--long 0.1` a tenth of that. Arguments that are not listed in --help go to the benchmarks.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from benchmarks.comparison import HERE, compare, worktree
from benchmarks.tables import warn
from tools.postgres import MISSING, binaries, cluster

# In the order of a run: the soak, which takes ten minutes, last.
SQLITE = (
    "evening", "newcomers", "rush", "pipeline", "claims", "sending", "fanout", "talk", "arrival", "pages",
    "large_pages", "ingest", "segments", "migrations", "delay", "hidden_studio", "recording", "soak",
)  # fmt: skip
POSTGRESQL = (
    "newcomers", "rush", "pipeline", "claims", "sending", "fanout", "arrival", "large_pages", "migrations",
)  # fmt: skip
# What must neither grow nor drift, with the option for its length and the whole length.
LONG = (
    ("ingest", "--seconds", 3600, ()),
    ("delay", "--minutes", 31, ("--only", "own broadcast, Chromium → Chromium")),
)
# The environment is read before a benchmark's module is imported, so what differs from the defaults is here.
BOT = {"EFIR_TELEGRAM_TOKEN": "42:bench"}
ENVIRONMENT = {
    "evening": BOT | {"EFIR_TELEGRAM_RATE": "1000", "EFIR_SETTLE_S": "1"},
    "claims": BOT,
    # Playwright's loop runs in the thread that makes the people.
    "delay": {"DJANGO_ALLOW_ASYNC_UNSAFE": "1"},
    "sending": BOT | {"EFIR_TELEGRAM_RATE": "25"},
    "soak": BOT
    | {
        "EFIR_TELEGRAM_RATE": "1000",
        "EFIR_GRACE_S": "90",
        "EFIR_SETTLE_S": "60",
        # Those who come late watch a little more than half, and on a busy machine less.
        "EFIR_MIN_WATCHED": "30",
    },
}


def main() -> int:
    """Run the chosen benchmarks on SQLite, then on PostgreSQL if it is installed. Return 1 if one failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(SQLITE)}")
    parser.add_argument("--base", metavar="REV", help="compare with this git revision")
    parser.add_argument(
        "--rounds", type=int, default=3, help="with --base: runs of each revision (default: 3)"
    )
    parser.add_argument(
        "--long",
        type=float,
        nargs="?",
        const=1.0,
        metavar="SHARE",
        help="the long runs alone, or a share of them",
    )
    options, rest = parser.parse_known_args()
    if options.long:
        return run_long(options.long)
    if unknown := set(options.names) - {*SQLITE}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(SQLITE)}")
    with worktree(options.base) if options.base else nullcontext() as base:

        def run_all(
            title: str, database: Callable[[], AbstractContextManager[str | None]], names: Sequence[str]
        ) -> int:
            names = [name for name in names if name in options.names or not options.names]
            if names:
                print(f"\n## {title}, {os.cpu_count()} cores, Python {sys.version.split()[0]}\n", flush=True)
            failed = 0
            for name in names:
                if base is None:
                    failed |= run(name, HERE, database, rest).returncode
                else:
                    compare(
                        f"{name} on {title}: {options.base} and the working tree",
                        [base, HERE],
                        lambda tree, name=name: run(name, tree, database, rest, capture=True).stdout,
                        options.rounds,
                    )
            return failed

        failed = run_all("SQLite", nullcontext, SQLITE)
        if binaries() is None:
            warn(MISSING)
            return failed or int(os.environ.get("CI") == "true")
        return run_all("PostgreSQL", cluster, POSTGRESQL) or failed


def run_long(share: float) -> int:
    """Run the long benchmarks. Return 1 if one failed."""
    failed = 0
    for name, option, length, more in LONG:
        arguments = [option, f"{length * share:g}", *more]
        print(f"\n## {name} {' '.join(arguments)}\n", flush=True)
        failed |= run(name, HERE, nullcontext, arguments).returncode
    return failed


def run(
    name: str,
    tree: Path,
    database: Callable[[], AbstractContextManager[str | None]],
    arguments: Sequence[str],
    *,
    capture: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run one benchmark of a source tree in a process of its own, on a new database."""
    with tempfile.TemporaryDirectory(prefix="efir-bench-") as data_dir, database() as url:
        environ = {
            "PYTHONPATH": str(tree),
            "EFIR_DATA_DIR": data_dir,
            "EFIR_DATABASE_URL": url or "",
            "EFIR_LOG_LEVEL": "ERROR",
            "DJANGO_SETTINGS_MODULE": "efir.settings",
        }
        module = ["benchmarks.one", name]
        if not (
            tree / "benchmarks" / "one.py"
        ).exists():  # until 0.1.0 each benchmark was a program of its own
            module = [f"benchmarks.{'doors' if name == 'pages' else name}"]
        return subprocess.run(
            [sys.executable, "-m", *module, *arguments],
            env=os.environ | environ | ENVIRONMENT.get(name, {}),
            cwd=tree,
            stdout=subprocess.PIPE if capture else None,
            text=True,
            check=False,
        )


if __name__ == "__main__":
    sys.exit(main())
