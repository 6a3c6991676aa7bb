"""`listen` and `emit`: facts go into the journal and to their listeners in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import structlog
from django.db import transaction

from efir.hooks.events import Event, from_payload
from efir.hooks.models import JournalEntry, OwedCall
from efir.lib import clock

E = TypeVar("E", bound=Event)
Batch = Callable[[Sequence[E]], None]

RETRY_AFTER_S = (10, 60, 300, 1800, 3600)
INSERT_CHUNK = 500

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Listener:
    name: str
    call: Batch[Any]
    outside: bool


_listeners: dict[type[Event], list[_Listener]] = {}


def listen(event: type[E], *, outside: bool = False) -> Callable[[Batch[E]], Batch[E]]:
    """Register a function that takes a batch of `event`s.

    A listener of the project shares the emitter's transaction: if it fails, the whole step rolls back. One from
    `outside` the project fails alone: the failure is recorded and the call repeated (see `call_owed`).
    """

    def register(call: Batch[E]) -> Batch[E]:
        name = f"{call.__module__}.{call.__qualname__}"
        listeners = _listeners.setdefault(event, [])
        if all(listener.name != name for listener in listeners):
            listeners.append(_Listener(name, call, outside))
        return call

    return register


def unlisten(call: Batch[Any]) -> None:
    """Take a listener off again (tests, and plug-ins that are switched off)."""
    name = f"{call.__module__}.{call.__qualname__}"
    for event, listeners in _listeners.items():
        _listeners[event] = [listener for listener in listeners if listener.name != name]


def emit(events: Sequence[E], *, actor_id: int | None = None) -> list[E]:
    """Journal facts of one kind and hand those that are new to the listeners; gives the new ones back.

    A fact that the journal has already is passed over in silence. `actor_id` names the person who decided, where
    a person did.
    """
    if not events:
        return []
    if len({type(event) for event in events}) > 1:
        raise TypeError("a batch holds events of one kind")
    with transaction.atomic():
        batch = uuid4()
        written = _journal(events, actor_id, batch)
        new = [event for event in events if (event.webinar_id, event.lead_id) in written]
        if new:
            log.info(
                "emitted", hook=new[0].name, count=len(new), webinar_ids=sorted({e.webinar_id for e in new})
            )
            dispatch(new, batch)
    return new


def _journal(events: Sequence[Event], actor_id: int | None, batch: UUID) -> set[tuple[int, int]]:
    """Write what is new; (webinar, lead) of each."""
    recorded_at = clock.now()
    once = {(event.webinar_id, event.lead_id): event for event in events}
    JournalEntry.objects.bulk_create(
        [
            JournalEntry(
                event=event.name,
                webinar_id=event.webinar_id,
                lead_id=event.lead_id,
                moment=event.moment,
                payload=event.payload(),
                actor_id=actor_id,
                recorded_at=recorded_at,
                batch=batch,
            )
            for event in once.values()
        ],
        batch_size=INSERT_CHUNK,
        ignore_conflicts=True,
    )
    return set(JournalEntry.objects.filter(batch=batch).values_list("webinar_id", "lead_id"))


def dispatch(events: Sequence[Event], batch: UUID) -> None:
    listeners = _listeners.get(type(events[0]), [])
    for listener in (each for each in listeners if not each.outside):
        listener.call(events)
    for listener in (each for each in listeners if each.outside):
        error = _try(listener, events)
        if error:
            OwedCall.objects.bulk_create(
                [
                    OwedCall(listener=listener.name, entry=entry, due_at=_next_try(1), error=error)
                    for entry in JournalEntry.objects.filter(batch=batch)
                ]
            )


def _try(listener: _Listener, events: Sequence[Event]) -> str:
    """Call an outside listener in a savepoint of its own; what went wrong, or nothing."""
    try:
        with transaction.atomic():
            listener.call(events)
    except Exception as exc:  # whatever a plug-in raises must not cost a fact
        log.exception("outside_listener_failed", listener=listener.name, hook=events[0].name)
        return repr(exc)
    return ""


def _next_try(attempts: int) -> datetime:
    return clock.now() + timedelta(seconds=RETRY_AFTER_S[min(attempts, len(RETRY_AFTER_S)) - 1])


def retry_failed_listeners(limit: int = 100) -> int:
    """Repeat the calls that outside listeners still owe; how many succeeded. Called by the worker."""
    done = 0
    for owed_id in OwedCall.objects.filter(due_at__lte=clock.now()).values_list("id", flat=True)[:limit]:
        with transaction.atomic():
            done += _repeat(owed_id)
    return done


def _repeat(owed_id: int) -> bool:
    owed = OwedCall.objects.select_for_update(skip_locked=True).filter(id=owed_id).first()
    if owed is None:
        return False
    event = from_payload(owed.entry.event, owed.entry.payload)
    listener = next((each for each in _listeners.get(type(event), []) if each.name == owed.listener), None)
    error = _try(listener, [event]) if listener else f"{owed.listener} is not installed"
    if not error:
        owed.delete()
        return True
    owed.attempts += 1
    owed.error, owed.due_at = error, _next_try(owed.attempts)
    owed.save(update_fields=["attempts", "error", "due_at"])
    return False
