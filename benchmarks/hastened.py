"""Runs `efir` in time that passes faster: `python -m benchmarks.hastened BEGAN SPEED efir-arguments…`

BEGAN is the moment, in seconds since the epoch, at which both times agree.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime

from efir.lib import clock


def hasten(began: float, speed: float) -> None:
    """From `began` on the clock runs `speed` times as fast; nothing else does, so waits are as long as ever."""
    origin = datetime.fromtimestamp(began, UTC)

    def fast() -> datetime:
        return origin + (datetime.now(UTC) - origin) * speed

    clock._system = clock._source = fast


def stretch(speed: float) -> None:
    """Signs of life are given in real seconds and believed by the clock: believe them for as much longer."""
    from efir.ops.monitoring import health
    from efir.room import presence, presence_store, recorder
    from efir.telegram import health as telegram_health
    from efir.telegram.bot import lease

    lease.TTL_S *= speed
    presence.MAX_GAP_S *= speed
    presence_store.ALIVE_WITHIN *= speed
    health.BEAT_WITHIN *= speed
    telegram_health.FRESH *= speed
    flush_interval_s = recorder.flush_interval_s() / speed
    recorder.flush_interval_s = lambda: flush_interval_s


if __name__ == "__main__":
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "efir.settings"
    pace = float(sys.argv[2])
    hasten(float(sys.argv[1]), pace)
    django.setup()
    stretch(pace)

    from efir.ops.cli import main

    sys.exit(main.main(sys.argv[3:]))
