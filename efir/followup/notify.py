"""Who is written to: the inviter hears the verdict; the candidate gets the follow-up, and the recording."""

from __future__ import annotations

from collections.abc import Sequence

from efir.accounts.models import Person
from efir.hooks.bus import listen
from efir.hooks.events import ClientWebinarAttendanceClassified, PostWebinarRoute
from efir.telegram.models import Kind
from efir.telegram.outbox import Draft, enqueue


@listen(ClientWebinarAttendanceClassified)
def tell_inviters(events: Sequence[ClientWebinarAttendanceClassified]) -> None:
    """A candidate without an inviter causes no message; an inviter who is not active still gets one."""
    lead_ids = {event.lead_id for event in events}
    invited = Person.objects.filter(pk__in=lead_ids).exclude(invited_by=None)
    inviters = dict(invited.values_list("pk", "invited_by_id"))
    enqueue(
        [
            _draft(event, Kind.PARTNER_ATTENDANCE, inviter_id)
            for event in events
            if (inviter_id := inviters.get(event.lead_id)) is not None
        ]
    )


@listen(PostWebinarRoute)
def follow_up(events: Sequence[PostWebinarRoute]) -> None:
    """Each routed candidate gets the follow-up; those who did not attend get the recording as well."""
    followups = [_draft(event, Kind.CANDIDATE_FOLLOWUP, event.lead_id) for event in events]
    recordings = [
        _draft(event, Kind.CANDIDATE_RECORDING, event.lead_id)
        for event in events
        if event.route == "not_attended"
    ]
    enqueue(followups + recordings)


def _draft(event: ClientWebinarAttendanceClassified | PostWebinarRoute, kind: Kind, person_id: int) -> Draft:
    return Draft(
        webinar_id=event.webinar_id,
        lead_id=event.lead_id,
        person_id=person_id,
        kind=kind,
        cause_at=event.moment,
    )
