"""The worker's sign of life, and what says that a database is the demo's."""

from __future__ import annotations

from django.db import models


class WorkerBeat(models.Model):
    """One worker process: written every few seconds after its duties, so a worker that is stuck shows."""

    worker = models.UUIDField(primary_key=True)
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField(db_index=True)
    failing = models.CharField(max_length=200, blank=True)  # the duties that failed last time

    def __str__(self) -> str:
        return str(self.worker)


class DemoMark(models.Model):
    """One row in a database that the demo seeded: only such a one may the demo start over."""

    seeded_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"demo since {self.seeded_at}"
