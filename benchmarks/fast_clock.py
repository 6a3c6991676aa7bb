"""Run `efir` on a clock that runs faster.

`python -m benchmarks.fast_clock BEGAN SPEED efir-arguments…`; BEGAN is the Unix time, in seconds, at which both clocks
agree.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime

from efir.lib import clock


def speed_up(began: float, speed: float) -> None:
    """Make this process's clock run `speed` times as fast from `began` on. Sleeps stay as long as they are."""
    origin = datetime.fromtimestamp(began, UTC)

    def fast() -> datetime:
        return origin + (datetime.now(UTC) - origin) * speed

    clock._system = clock._source = fast


def stretch_timeouts(speed: float) -> None:
    """Stretch what is compared with the clock but renewed in real time: heartbeats and the lease."""
    from efir.ops.monitoring import health
    from efir.room import presence, presence_store, recorder
    from efir.telegram import health as telegram_health
    from efir.telegram.bot import lease

    lease.TTL_S *= speed
    presence.MAX_GAP_S *= speed
    presence_store.ALIVE_WITHIN *= speed
    health.HEARTBEAT_WITHIN *= speed
    telegram_health.FRESH *= speed
    interval_s = recorder.flush_interval_s() / speed
    recorder.flush_interval_s = lambda: interval_s


if __name__ == "__main__":
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "efir.settings"
    speed = float(sys.argv[2])
    speed_up(float(sys.argv[1]), speed)
    django.setup()
    stretch_timeouts(speed)

    from efir.ops.cli import main

    sys.exit(main.main(sys.argv[3:]))
