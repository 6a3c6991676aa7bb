"""`emit` and `listen`: each fact once, with its listeners, in one transaction."""

from __future__ import annotations

from uuid import uuid4

import pytest

from efir.hooks import bus
from efir.hooks.events import (
    EVENTS,
    ClientWebinarCompleted,
    ClientWebinarEntered,
    PostWebinarRoute,
    from_payload,
)
from efir.hooks.models import JournalEntry, ListenerRetry

pytestmark = pytest.mark.django_db


@pytest.fixture
def listeners():
    """Return a function that registers a listener for the test."""
    registered = []

    def register(event, call, *, outside=False):
        bus.listen(event, outside=outside)(call)
        registered.append(call)

    yield register
    for call in registered:
        bus.unlisten(call)


def entered(lead_id, clock, webinar_id=1):
    return ClientWebinarEntered(lead_id=lead_id, webinar_id=webinar_id, session_id=uuid4(), timestamp=clock())


def test_batch_is_journalled_and_dispatched_once(clock, listeners):
    batches = []
    listeners(ClientWebinarEntered, batches.append)
    first = [entered(1, clock), entered(2, clock)]
    assert bus.emit(first) == first
    assert bus.emit([entered(2, clock), entered(3, clock)])[0].lead_id == 3
    assert [[event.lead_id for event in batch] for batch in batches] == [[1, 2], [3]]
    assert list(JournalEntry.objects.values_list("lead_id", flat=True)) == [1, 2, 3]


def test_duplicate_fact_in_batch_is_journalled_once(clock):
    bus.emit([entered(1, clock), entered(1, clock)])
    assert JournalEntry.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_failing_listener_rolls_the_fact_back(clock, listeners):
    def fails(events):
        raise RuntimeError("not today")

    listeners(ClientWebinarEntered, fails)
    with pytest.raises(RuntimeError):
        bus.emit([entered(1, clock)])
    assert not JournalEntry.objects.exists()


def test_failing_outside_listener_is_retried(clock, listeners):
    heard, broken = [], [True]

    def plug_in(events):
        if broken:
            raise RuntimeError("not today")
        heard.extend(events)

    others = []
    listeners(ClientWebinarEntered, plug_in, outside=True)
    listeners(ClientWebinarEntered, others.extend)
    event = entered(1, clock)
    bus.emit([event])
    assert others == [event]
    assert JournalEntry.objects.count() == 1
    assert bus.retry_failed_listeners() == 0  # not due yet
    clock.move(11)
    assert bus.retry_failed_listeners() == 0  # fails again, waits longer
    assert ListenerRetry.objects.get().attempts == 2
    broken.clear()
    clock.move(61)
    assert bus.retry_failed_listeners() == 1
    assert heard == [event]
    assert not ListenerRetry.objects.exists()


def test_mixed_batch_is_refused(clock):
    route = PostWebinarRoute(lead_id=1, webinar_id=1, attended=True, route="attended", timestamp=clock())
    with pytest.raises(TypeError):
        bus.emit([entered(1, clock), route])


def test_event_is_rebuilt_from_the_journal(clock):
    event = ClientWebinarCompleted(lead_id=1, webinar_id=2, session_id=uuid4(), completed_at=clock())
    bus.emit([event])
    entry = JournalEntry.objects.get()
    assert entry.payload["webinar_type"] == "live"
    assert entry.payload["completed_at"].endswith("Z")
    assert from_payload(entry.event, entry.payload) == event


def test_contract_has_four_events():
    assert set(EVENTS) == {
        "client_webinar_entered",
        "client_webinar_completed",
        "client_webinar_attendance_classified",
        "post_webinar_route",
    }
