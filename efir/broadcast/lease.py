"""The lease of a broadcast: one worker at a time makes its segments. Its term fences what a former holder commits."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db.models import F, Q

from efir.broadcast.models import BroadcastLease
from efir.lib import clock

# Another worker takes over within this time, and a holder renews it three times in it.
TTL = timedelta(seconds=3)
RENEW_S = 1.0


class LeaseLost(Exception):
    """Another worker has taken over."""


def acquire(webinar_id: int, holder: UUID) -> int | None:
    """Acquire the lease if it is free. Return its new term, or None."""
    now = clock.now()
    BroadcastLease.objects.bulk_create([BroadcastLease(webinar_id=webinar_id)], ignore_conflicts=True)
    free = Q(holder=None) | Q(holder=holder) | Q(expires_at__lt=now)
    # An end further ahead than a lease lasts was written before the clock was set back.
    free |= Q(expires_at__gt=now + 2 * TTL)
    row = BroadcastLease.objects.filter(free, webinar_id=webinar_id)
    if not row.update(holder=holder, expires_at=now + TTL, term=F("term") + 1):
        return None
    return BroadcastLease.objects.filter(webinar_id=webinar_id, holder=holder).values_list("term", flat=True)[
        0
    ]


def renew(webinar_id: int, holder: UUID, term: int) -> None:
    """Extend the lease. Raises LeaseLost."""
    ours = BroadcastLease.objects.filter(webinar_id=webinar_id, holder=holder, term=term)
    if not ours.update(expires_at=clock.now() + TTL):
        raise LeaseLost


def release(webinar_id: int, holder: UUID, term: int) -> None:
    """Release the lease, so that another worker can begin at once."""
    ours = BroadcastLease.objects.filter(webinar_id=webinar_id, holder=holder, term=term)
    ours.update(holder=None, expires_at=None)


def force_release_all() -> None:
    """Release the leases of a process that is gone. The caller holds the lock of the only worker there can be."""
    BroadcastLease.objects.exclude(holder=None).update(holder=None, expires_at=None)


def check(webinar_id: int, holder: UUID, term: int) -> None:
    """Raise LeaseLost unless the lease is ours; it stays so until the end of the caller's transaction."""
    ours = BroadcastLease.objects.select_for_update().filter(webinar_id=webinar_id, holder=holder, term=term)
    if not ours.exists():
        raise LeaseLost
