"""The tracker: finds new entries in the recorded presence, and emits entries and completions.

Everything is derived from stored intervals, so it can run in any process, and again after a crash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeVar

from django.db import transaction
from django.db.models import Q

from efir.accounts.role_history import leads_at
from efir.attendance.evidence import live_spans
from efir.attendance.models import Participation
from efir.attendance.rules import first_live_moment
from efir.hooks.bus import emit
from efir.hooks.events import ClientWebinarCompleted, ClientWebinarEntered
from efir.lib import clock
from efir.room.models import PresenceInterval
from efir.room.presence_store import spans_by_person
from efir.webinars.lifecycle import ON_AIR, Status
from efir.webinars.models import Webinar

# People in one transaction.
CHUNK = 500

T = TypeVar("T")


def record_new_entries() -> int:
    """Record the entries into every webinar that is on air or not yet classified. Return how many are new."""
    open_webinars = Webinar.objects.filter(
        Q(status__in=ON_AIR) | Q(status=Status.FINISHED, classification__done_at=None)
    )
    return sum(for_each_isolated(record_entries, open_webinars))


def for_each_isolated(work: Callable[[Webinar], T], webinars: Iterable[Webinar]) -> list[T]:
    """Call `work` for every webinar and return the results.

    A failure does not stop the others: raises ExceptionGroup at the end.
    """
    done, failed = [], []
    for webinar in webinars:
        try:
            done.append(work(webinar))
        except Exception as exc:
            exc.add_note(f"webinar {webinar.pk}")
            failed.append(exc)
    if failed:
        raise ExceptionGroup(f"{work.__name__} failed for some webinars", failed)
    return done


def record_entries(webinar: Webinar) -> int:
    """Record who was present at a live moment, and emit `client_webinar_entered` for leads. Return how many are new."""
    live = live_spans(list(webinar.ledger.all()), clock.now())
    if not live:
        return 0
    known = Participation.objects.filter(webinar=webinar).values("person_id")
    overlaps = Q(began_at__lt=live[-1][1]) & (Q(ended_at__gt=live[0][0]) | Q(ended_at=None))
    new_people = list(
        PresenceInterval.objects.filter(overlaps, webinar=webinar)
        .exclude(person_id__in=known)
        .values_list("person_id", flat=True)
        .distinct()
    )
    spans = spans_by_person(webinar.pk, new_people) if new_people else {}
    entries = [(person, at) for person in spans if (at := first_live_moment(spans[person], live))]
    for start in range(0, len(entries), CHUNK):
        _enter(webinar.pk, dict(entries[start : start + CHUNK]))
    return len(entries)


def _enter(webinar_id: int, entries: dict[int, datetime]) -> None:
    with transaction.atomic():
        # A stop or a pause may have been committed since the entries were found. The lock makes the ledger final.
        webinar = Webinar.objects.select_for_update(no_key=True).get(pk=webinar_id)
        live = live_spans(list(webinar.ledger.all()), clock.now())
        entries = {
            person_id: moment
            for person_id, moment in entries.items()
            if any(start <= moment < end for start, end in live)
        }
        leads = leads_at(entries)
        Participation.objects.bulk_create(
            [
                Participation(
                    webinar_id=webinar_id,
                    person_id=person_id,
                    is_lead=person_id in leads,
                    entered_at=None if person_id in leads else moment,
                )
                for person_id, moment in entries.items()
            ],
            ignore_conflicts=True,
        )
        fresh = Participation.objects.filter(
            webinar_id=webinar_id, person_id__in=entries, is_lead=True, entered_at=None
        )
        emit(
            [
                ClientWebinarEntered(
                    lead_id=each.person_id,
                    webinar_id=webinar_id,
                    session_id=each.session_id,
                    timestamp=entries[each.person_id],
                )
                for each in fresh
            ]
        )


def emit_completed(participations: Iterable[Participation], completed_at: datetime) -> None:
    """Emit `client_webinar_completed` for these participations."""
    emit(
        [
            ClientWebinarCompleted(
                lead_id=each.person_id,
                webinar_id=each.webinar_id,
                session_id=each.session_id,
                completed_at=completed_at,
            )
            for each in participations
        ]
    )
