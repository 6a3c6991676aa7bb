"""Find out from the heartbeats in the database whether processes of this installation are running."""

from __future__ import annotations

from datetime import timedelta

from django.db import connection

from efir.lib import clock
from efir.room.models import Recorder
from efir.server.models import WorkerHeartbeat

# Twice the longest pause between two heartbeats of a running process.
HEARTBEAT_WITHIN = timedelta(seconds=30)


def is_running() -> bool:
    """Return whether a web process or a worker has written its heartbeat recently. Tolerates a missing schema."""
    tables = set(connection.introspection.table_names())
    since = clock.now() - HEARTBEAT_WITHIN
    heartbeats = (
        (WorkerHeartbeat._meta.db_table, WorkerHeartbeat.objects.filter(beat_at__gt=since)),
        (Recorder._meta.db_table, Recorder.objects.filter(pulsed_at__gt=since, closed_at=None)),
    )
    return any(table in tables and recent.exists() for table, recent in heartbeats)
