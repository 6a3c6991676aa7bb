"""The heartbeats of workers, the fingerprint of the secret key, and the mark of the demo's database."""

from __future__ import annotations

from django.db import models


class WorkerHeartbeat(models.Model):
    """One worker process. It writes the row after each round of its jobs, so that a stuck worker is noticed."""

    worker = models.UUIDField(primary_key=True)
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField(db_index=True)
    failing = models.CharField(max_length=200, blank=True)  # the jobs that failed last time

    class Meta:
        db_table = "ops_workerbeat"  # the model's name in the first release

    def __str__(self) -> str:
        return str(self.worker)


class SecretKeyFingerprint(models.Model):
    """The one row that identifies the installation's secret key without revealing it."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    fingerprint = models.CharField(max_length=64)
    set_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"since {self.set_at}"


class DemoMark(models.Model):
    """One row in a database that the demo has seeded. The demo only resets databases with this row."""

    seeded_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"demo since {self.seeded_at}"
