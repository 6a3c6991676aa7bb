"""`make bench`: every benchmark on a database of its own, one after the other."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from tools.postgres import MISSING, binaries, cluster

PARTS = ("benchmarks.pipeline", "benchmarks.sending", "benchmarks.room")


def main() -> int:
    """Run all parts on SQLite, then on PostgreSQL where it is installed."""
    failed = _run_all("SQLite", nullcontext)
    if binaries() is None:
        print(f"\n*** {MISSING} ***\n", file=sys.stderr)
        return failed or int(os.environ.get("CI") == "true")
    return _run_all("PostgreSQL", cluster) or failed


def _run_all(name: str, database: Callable[[], AbstractContextManager[str | None]]) -> int:
    print(f"\n## {name}, {os.cpu_count()} cores, Python {sys.version.split()[0]}\n", flush=True)
    failed = 0
    for part in PARTS:
        with tempfile.TemporaryDirectory(prefix="efir-bench-") as data_dir, database() as url:
            environ = os.environ | {
                "EFIR_DATA_DIR": data_dir,
                "EFIR_DATABASE_URL": url or "",
                "EFIR_LOG_LEVEL": "ERROR",
                "DJANGO_SETTINGS_MODULE": "efir.settings",
            }
            failed |= subprocess.run([sys.executable, "-m", part], env=environ, check=False).returncode
    return failed


if __name__ == "__main__":
    sys.exit(main())
