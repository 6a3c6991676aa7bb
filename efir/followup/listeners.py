"""Turn verdicts into messages: each verdict gives its lead a route, and the outbox messages for lead and inviter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from efir.accounts.models import Person
from efir.attendance.models import inviters_with_verdicts_to_come
from efir.followup.digest import ranks_for_calling
from efir.hooks.bus import emit, listen
from efir.hooks.events import ClientWebinarAttendanceClassified, PostWebinarRoute
from efir.lib import clock
from efir.telegram.models import Kind
from efir.telegram.outbox.batching import close_batches
from efir.telegram.outbox.enqueue import NewMessage, enqueue


@listen(ClientWebinarAttendanceClassified)
def notify_inviters(events: Sequence[ClientWebinarAttendanceClassified]) -> None:
    """Queue each verdict for the inviter of its lead. A lead without an inviter causes no message."""
    lead_ids = {event.lead_id for event in events}
    invited = Person.objects.filter(pk__in=lead_ids).exclude(invited_by=None)
    inviters = dict(invited.values_list("pk", "invited_by_id"))
    by_webinar: dict[int, list[ClientWebinarAttendanceClassified]] = defaultdict(list)
    for event in events:
        if event.lead_id in inviters:
            by_webinar[event.webinar_id].append(event)
    for webinar_id, of_webinar in by_webinar.items():
        ranks = ranks_for_calling(webinar_id, [event.lead_id for event in of_webinar])
        enqueue(
            [
                _message(
                    event, Kind.PARTNER_ATTENDANCE, inviters[event.lead_id], ranks.get(event.lead_id, 0.0)
                )
                for event in of_webinar
            ]
        )
        waiting = inviters_with_verdicts_to_come(webinar_id)
        complete = {inviters[event.lead_id] for event in of_webinar} - waiting
        close_batches(Kind.PARTNER_ATTENDANCE, webinar_id, complete)


@listen(ClientWebinarAttendanceClassified)
def route(events: Sequence[ClientWebinarAttendanceClassified]) -> None:
    """Emit the route of each classified lead."""
    now = clock.now()
    emit(
        [
            PostWebinarRoute(
                lead_id=event.lead_id,
                webinar_id=event.webinar_id,
                actor_id=event.actor_id,
                attended=event.attended,
                route="attended" if event.attended else "not_attended",
                timestamp=now,
            )
            for event in events
        ]
    )


@listen(PostWebinarRoute)
def follow_up(events: Sequence[PostWebinarRoute]) -> None:
    """Queue the follow-up for each routed lead, and the recording for those who did not attend."""
    followups = [_message(event, Kind.CANDIDATE_FOLLOWUP, event.lead_id) for event in events]
    recordings = [
        _message(event, Kind.CANDIDATE_RECORDING, event.lead_id)
        for event in events
        if event.route == "not_attended"
    ]
    enqueue(followups + recordings)


def _message(
    event: ClientWebinarAttendanceClassified | PostWebinarRoute, kind: Kind, person_id: int, rank: float = 0.0
) -> NewMessage:
    return NewMessage(
        webinar_id=event.webinar_id,
        lead_id=event.lead_id,
        person_id=person_id,
        kind=kind,
        cause_at=event.moment,
        caused_by_id=event.actor_id,
        rank=rank,
    )
