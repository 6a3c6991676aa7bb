"""`/healthz`: 200 if database, worker and dispatcher are healthy, else 503 with the names of those that are not."""

from __future__ import annotations

import shutil
from datetime import timedelta

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from efir.lib import clock
from efir.server import readiness
from efir.server.models import WorkerHeartbeat
from efir.telegram.health import bot_health
from efir.triggers import registry

# A worker writes its heartbeat every second or two, and every few seconds under load.
HEARTBEAT_WITHIN = timedelta(seconds=15)
# With less, SQLite can write for some more seconds at best.
MIN_FREE = 4 * 2**20
HEALTHY = {"ok", "not_configured"}
# To be removed in 0.3: the states' names of 0.1, given as `formerly` so that alerts go on.
FORMER_STATES = {"disk_full": "no_room", "triggers_missing": "guards_missing"}
DRAINING = {"status": "draining", "failing": ["draining"]}


@require_safe
def healthz_web(request: HttpRequest) -> JsonResponse:
    """Tell a load balancer whether this process takes requests.

    A worker that is down or a rejected token must not take every web process out, so they do not count.
    """
    draining = readiness.is_draining()
    return JsonResponse(DRAINING if draining else {"status": "ok"}, status=503 if draining else 200)


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Return the state of each component; `failing` lists the unhealthy ones."""
    if readiness.is_draining():
        return JsonResponse(DRAINING, status=503)
    states = component_states()
    failing = sorted(name for name, state in states.items() if state not in HEALTHY)
    body: dict[str, object] = {"status": "failing" if failing else "ok", **states, "failing": failing}
    if former := FORMER_STATES.get(states["database"]):
        body["formerly"] = {"database": former}
    if "telegram" in failing and (reason := bot_health().fault):
        body["reasons"] = {"telegram": reason}
    return JsonResponse(body, status=503 if failing else 200)


def component_states() -> dict[str, str]:
    """Return the state of each component that the whole installation depends on."""
    try:
        return {"database": _database(), "worker": _worker(), "telegram": bot_health().state}
    except (DatabaseError, OSError):
        return {"database": "unreachable"}


def _database() -> str:
    if settings.EFIR.is_sqlite and shutil.disk_usage(settings.EFIR.sqlite_file.parent).free < MIN_FREE:
        return "disk_full"
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SHOW transaction_read_only")
            if cursor.fetchone() == ("on",):
                return "read_only"
    return "triggers_missing" if registry.missing() else "ok"


def _worker() -> str:
    # In both directions: a heartbeat in the future was written before the clock was set back.
    now = clock.now()
    around = (now - HEARTBEAT_WITHIN, now + HEARTBEAT_WITHIN)
    recent = WorkerHeartbeat.objects.filter(beat_at__range=around)
    failing = list(recent.values_list("failing", flat=True))
    if any(failing):
        return f"failing: {', '.join(sorted(set(filter(None, failing))))}"
    return "ok" if failing else "no_heartbeat"
