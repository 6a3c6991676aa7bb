"""`/healthz` tells the truth: 200 when database, worker and dispatcher are well, 503 naming what is not."""

from __future__ import annotations

import shutil
from datetime import timedelta

from django.conf import settings
from django.db import Error as DatabaseError
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from efir.lib import clock
from efir.server import readiness
from efir.server.models import WorkerBeat
from efir.telegram.health import telegram_health
from efir.triggers import registry

BEAT_WITHIN = timedelta(seconds=15)
# Below it SQLite can write for some seconds more at best.
LEAST_FREE = 4 * 2**20
WELL = {"ok", "not_configured"}


DRAINING = {"status": "draining", "failing": ["draining"]}


@require_safe
def healthz_web(request: HttpRequest) -> JsonResponse:
    """Whether this process takes requests: what a balancer asks.

    Nothing else: a worker that is down, or a token that Telegram rejects, must not take every web process out.
    """
    leaving = readiness.is_draining()
    return JsonResponse(DRAINING if leaving else {"status": "ok"}, status=503 if leaving else 200)


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Each part with its state; `failing` lists those that are not well."""
    if readiness.is_draining():
        return JsonResponse(DRAINING, status=503)
    parts = parts_of_health()
    failing = sorted(name for name, state in parts.items() if state not in WELL)
    body = {"status": "failing" if failing else "ok", **parts, "failing": failing}
    return JsonResponse(body, status=503 if failing else 200)


def parts_of_health() -> dict[str, str]:
    """The parts that everybody depends on, and how each is."""
    try:
        return {"database": _database(), "worker": _worker(), "telegram": telegram_health()}
    except (DatabaseError, OSError):
        return {"database": "unreachable"}


def _database() -> str:
    if settings.EFIR.is_sqlite and shutil.disk_usage(settings.EFIR.sqlite_file.parent).free < LEAST_FREE:
        return "no_room"
    return "guards_missing" if registry.missing() else "ok"


def _worker() -> str:
    alive = list(
        WorkerBeat.objects.filter(beat_at__gt=clock.now() - BEAT_WITHIN).values_list("failing", flat=True)
    )
    failing = sorted(set(filter(None, alive)))
    return f"failing: {', '.join(failing)}" if failing else "ok" if alive else "no_heartbeat"
