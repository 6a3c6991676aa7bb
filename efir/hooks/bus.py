"""`listen` and `emit`: facts go into the journal and to their listeners in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import structlog
from django.db import transaction

from efir.hooks import journal
from efir.hooks.events import Event, from_payload
from efir.hooks.models import ListenerRetry
from efir.lib import clock

E = TypeVar("E", bound=Event)
Callback = Callable[[Sequence[E]], None]

# After the first, second, … failure of an outside listener; the last delay repeats until the call succeeds.
RETRY_DELAYS_S = (10, 60, 300, 1800, 3600)

_outside_muted = ContextVar("outside_muted", default=False)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Listener:
    name: str
    call: Callback[Any]
    outside: bool


_listeners: dict[type[Event], list[_Listener]] = {}


def listen(event: type[E], *, outside: bool = False) -> Callable[[Callback[E]], Callback[E]]:
    """Register the decorated function as a listener that receives batches of `event`.

    A listener of this project shares the emitter's transaction: if the listener fails, the whole step rolls back.
    The failure of a listener from `outside` the project is recorded, and `retry_failed_listeners` repeats the call.
    """

    def register(call: Callback[E]) -> Callback[E]:
        name = f"{call.__module__}.{call.__qualname__}"
        listeners = _listeners.setdefault(event, [])
        if all(listener.name != name for listener in listeners):
            listeners.append(_Listener(name, call, outside))
        return call

    return register


def unlisten(call: Callback[Any]) -> None:
    """Remove a listener, as tests and switched-off plug-ins need."""
    name = f"{call.__module__}.{call.__qualname__}"
    for event, listeners in _listeners.items():
        _listeners[event] = [listener for listener in listeners if listener.name != name]


@contextmanager
def without_outside_listeners() -> Iterator[None]:
    """Emit without calling outside listeners, because the block is rolled back."""
    token = _outside_muted.set(True)
    try:
        yield
    finally:
        _outside_muted.reset(token)


def emit(events: Sequence[E]) -> list[E]:
    """Journal events of one kind and hand the new ones to the listeners; return the new ones.

    Facts that are in the journal already are ignored. Raises TypeError if the events are of several kinds.
    """
    if not events:
        return []
    if len({type(event) for event in events}) > 1:
        raise TypeError("a batch holds events of one kind")
    facts = {(event.webinar_id, event.lead_id): event for event in events}
    with transaction.atomic():
        entry_ids = journal.append(list(facts.values()))
        new = [event for key, event in facts.items() if key in entry_ids]
        if new:
            webinar_ids = sorted({event.webinar_id for event in new})
            log.info("emitted", hook=new[0].name, count=len(new), webinar_ids=webinar_ids)
            _dispatch(new, entry_ids.values())
    return new


def _dispatch(events: Sequence[Event], entry_ids: Collection[int]) -> None:
    listeners = _listeners.get(type(events[0]), [])
    for listener in listeners:
        if not listener.outside:
            listener.call(events)
    for listener in listeners:
        if listener.outside and not _outside_muted.get() and (error := _call_outside(listener, events)):
            ListenerRetry.objects.bulk_create(
                ListenerRetry(listener=listener.name, entry_id=pk, due_at=_next_attempt(1), error=error)
                for pk in entry_ids
            )


def _call_outside(listener: _Listener, events: Sequence[Event]) -> str:
    """Call an outside listener in its own savepoint; return its error, or an empty string."""
    try:
        with transaction.atomic():
            listener.call(events)
    except Exception as exc:  # an error of a plug-in must not roll the fact back
        log.exception("outside_listener_failed", listener=listener.name, hook=events[0].name)
        return repr(exc)
    return ""


def _next_attempt(failures: int) -> datetime:
    return clock.now() + timedelta(seconds=RETRY_DELAYS_S[min(failures, len(RETRY_DELAYS_S)) - 1])


def retry_failed_listeners(limit: int = 100) -> int:
    """Repeat up to `limit` due calls of outside listeners; return how many succeeded. The worker calls this."""
    due = ListenerRetry.objects.filter(due_at__lte=clock.now()).values_list("pk", flat=True)[:limit]
    return sum(_retry(pk) for pk in due)


@transaction.atomic
def _retry(pk: int) -> bool:
    retry = ListenerRetry.objects.select_for_update(skip_locked=True).filter(pk=pk).first()
    if retry is None:
        return False
    event = from_payload(retry.entry.event, retry.entry.payload, retry.entry.actor_id)
    listener = next((each for each in _listeners.get(type(event), []) if each.name == retry.listener), None)
    error = _call_outside(listener, [event]) if listener else f"{retry.listener} is not installed"
    if not error:
        retry.delete()
        return True
    retry.attempts += 1
    retry.error, retry.due_at = error, _next_attempt(retry.attempts)
    retry.save(update_fields=["attempts", "error", "due_at"])
    return False
