"""Who is written to: the inviter hears the verdict; the candidate gets the follow-up, and the recording."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from efir.accounts.models import Person
from efir.attendance.models import Verdict
from efir.hooks.bus import listen
from efir.hooks.events import ClientWebinarAttendanceClassified, PostWebinarRoute
from efir.telegram.models import Kind
from efir.telegram.outbox.enqueue import NewMessage, enqueue

Event: TypeAlias = ClientWebinarAttendanceClassified | PostWebinarRoute
Deciders: TypeAlias = dict[tuple[int, int], int]


@listen(ClientWebinarAttendanceClassified)
def tell_inviters(events: Sequence[ClientWebinarAttendanceClassified]) -> None:
    """A candidate without an inviter causes no message. One to an inviter who has no access any more does not go."""
    lead_ids = {event.lead_id for event in events}
    invited = Person.objects.filter(pk__in=lead_ids).exclude(invited_by=None)
    inviters = dict(invited.values_list("pk", "invited_by_id"))
    deciders = _deciders(events)
    enqueue(
        [
            _draft(event, Kind.PARTNER_ATTENDANCE, inviter_id, deciders)
            for event in events
            if (inviter_id := inviters.get(event.lead_id)) is not None
        ]
    )


@listen(PostWebinarRoute)
def follow_up(events: Sequence[PostWebinarRoute]) -> None:
    """Each routed candidate gets the follow-up; those who did not attend get the recording as well."""
    deciders = _deciders(events)
    followups = [_draft(event, Kind.CANDIDATE_FOLLOWUP, event.lead_id, deciders) for event in events]
    recordings = [
        _draft(event, Kind.CANDIDATE_RECORDING, event.lead_id, deciders)
        for event in events
        if event.route == "not_attended"
    ]
    enqueue(followups + recordings)


def _deciders(events: Sequence[Event]) -> Deciders:
    """Who decided the verdicts that had been held: (webinar, lead) → person."""
    decided = Verdict.objects.filter(
        webinar_id__in={event.webinar_id for event in events},
        lead_id__in={event.lead_id for event in events},
    ).exclude(decided_by=None)
    return {
        (webinar_id, lead_id): decider_id
        for webinar_id, lead_id, decider_id in decided.values_list("webinar_id", "lead_id", "decided_by_id")
        if decider_id is not None
    }


def _draft(event: Event, kind: Kind, person_id: int, deciders: Deciders) -> NewMessage:
    return NewMessage(
        webinar_id=event.webinar_id,
        lead_id=event.lead_id,
        person_id=person_id,
        kind=kind,
        cause_at=event.moment,
        caused_by_id=deciders.get((event.webinar_id, event.lead_id)),
    )
