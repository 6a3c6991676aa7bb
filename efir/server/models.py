"""The heartbeats of workers, and the mark of the demo's database."""

from __future__ import annotations

from django.db import models


class WorkerHeartbeat(models.Model):
    """One worker process. It writes the row after each round of its jobs, so that a stuck worker shows."""

    worker = models.UUIDField(primary_key=True)
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField(db_index=True)
    failing = models.CharField(max_length=200, blank=True)  # the jobs that failed last time

    class Meta:
        db_table = "ops_workerbeat"  # the model's name in the first release

    def __str__(self) -> str:
        return str(self.worker)


class DemoMark(models.Model):
    """One row in a database that the demo has seeded: the demo deletes no other one."""

    seeded_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"demo since {self.seeded_at}"
