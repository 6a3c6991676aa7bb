"""Runs `efir` on a machine whose clock is wrong: `python -m tests.support.wrong_clock SECONDS-AHEAD efir-arguments…`"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta

from efir.lib import clock
from efir.ops.cli import main


def put_ahead(seconds: float) -> None:
    """Make this process's clock wrong; the database's clock stays right."""

    def wrong() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=seconds)

    clock._system = clock._source = wrong


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "efir.settings"
    put_ahead(float(sys.argv[1]))
    sys.exit(main.main(sys.argv[2:]))
