"""The worker's sign of life."""

from __future__ import annotations

from django.db import models


class WorkerBeat(models.Model):
    """One worker process: written every few seconds after its duties, so a worker that is stuck shows."""

    worker = models.UUIDField(primary_key=True)
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return str(self.worker)
