"""From a verdict to the outbox, in one transaction with the facts."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from efir.accounts.capabilities import Role
from efir.accounts.roles import assign_role
from efir.accounts.services import close_account
from efir.attendance import classifier
from efir.attendance.models import Verdict
from efir.followup.digest import MAX_SINGLE
from efir.followup.listeners import follow_up, notify_inviters
from efir.hooks.actions import Context, Source
from efir.hooks.bus import listen, unlisten
from efir.hooks.events import ClientWebinarAttendanceClassified, PostWebinarRoute
from efir.hooks.models import JournalEntry
from efir.telegram.labels import why_not_sent
from efir.telegram.models import OutboxMessage
from efir.telegram.outbox import claims
from tests.conftest import SYSTEM
from tests.support.telegram import classified, held, linked, states_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def partner(make_person):
    return make_person(Role.PARTNER)


@pytest.fixture
def webinar(make_webinar):
    return make_webinar("finished")


@pytest.mark.parametrize(
    ("reason", "route"),
    [("stayed_to_end", "attended"), ("left_early", "not_attended"), ("no_show", "not_attended")],
)
def test_route_selects_the_candidates_messages(make_person, partner, webinar, reason, route):
    kinds = ["candidate_followup", "candidate_recording"][: 1 if route == "attended" else 2]
    lead = make_person(invited_by=partner)
    classified(webinar, [lead], reason)
    (entry,) = JournalEntry.objects.filter(event=PostWebinarRoute.name)
    assert (entry.lead_id, entry.payload["route"]) == (lead.pk, route)
    assert list(states_of(lead)) == kinds
    assert set(states_of(partner)) == {"partner_attendance"}


def test_lead_without_inviter_causes_no_partner_message(make_person, webinar):
    lead = make_person()
    classified(webinar, [lead], "stayed_to_end")
    assert [row.kind for row in OutboxMessage.objects.all()] == ["candidate_followup"]


def close(person):
    close_account(person, SYSTEM)


def demote(person):
    assign_role(person, Role.CANDIDATE)


@pytest.mark.parametrize("lose_access", [close, demote])
@pytest.mark.parametrize("when", ["before", "after"])
def test_inviter_without_access_gets_no_message(make_person, partner, webinar, lose_access, when):
    linked(partner)
    if when == "before":
        lose_access(partner)
    classified(webinar, [make_person(invited_by=partner)], "stayed_to_end")
    if when == "after":
        lose_access(partner)
    assert claims.claim(10, held()) == []
    message = OutboxMessage.objects.get(person=partner)
    assert (message.kind, message.state, message.error) == ("partner_attendance", "expired", "no_access")
    assert why_not_sent(message) == "у получателя больше нет доступа"


def test_repeated_events_write_no_second_message(make_person, partner, webinar):
    lead = make_person(invited_by=partner)
    classified(webinar, [lead], "no_show")
    before = set(OutboxMessage.objects.values_list("pk", flat=True))
    event = ClientWebinarAttendanceClassified(
        lead_id=lead.pk,
        webinar_id=webinar.pk,
        attended=False,
        timestamp=lead.created_at,
        reason="no_show",
        rule="",
    )
    notify_inviters([event])
    follow_up(
        [
            PostWebinarRoute(
                lead_id=lead.pk,
                webinar_id=webinar.pk,
                attended=False,
                route="not_attended",
                timestamp=lead.created_at,
            )
        ]
    )
    assert set(OutboxMessage.objects.values_list("pk", flat=True)) == before


def test_facts_and_messages_share_a_transaction(make_person, partner, webinar):
    @listen(PostWebinarRoute)
    def broken(events):
        raise RuntimeError("a listener of the project fails")

    try:
        with pytest.raises(RuntimeError):
            classified(webinar, [make_person(invited_by=partner)], "no_show")
    finally:
        unlisten(broken)
    assert not JournalEntry.objects.exists()
    assert not OutboxMessage.objects.exists()


def test_number_of_queries_does_not_grow_with_leads(make_person, partner, webinar, make_webinar):
    def cost(webinar, leads):
        with CaptureQueriesContext(connection) as captured:
            classified(webinar, leads, "no_show")
        return sum(not query["sql"].startswith("INSERT") for query in captured.captured_queries)

    leads = [make_person(invited_by=partner) for _ in range(40)]
    linked(leads[0])
    few = cost(webinar, leads[: MAX_SINGLE + 1])
    many = cost(make_webinar("finished"), leads)
    assert many == few
    assert OutboxMessage.objects.count() == 3 * (MAX_SINGLE + 1) + 120


def test_decider_of_a_held_verdict_is_stored_with_the_messages(clock, make_person, partner, webinar):
    decider = make_person(Role.ADMIN)
    held, judged = (make_person(invited_by=partner) for _ in range(2))
    classified(webinar, [judged], "no_show")
    Verdict.objects.create(
        webinar=webinar,
        lead=held,
        reason="unknown",
        rule="a rule",
        why_unknown="process_died",
        intervals=[],
        present_s=0,
        classified_at=clock(),
    )
    classifier.resolve_verdict(webinar.pk, held.pk, False, Context(decider.pk, Source.WEB))
    caused = OutboxMessage.objects.order_by("pk").values_list("lead", "kind", "caused_by")
    assert set(caused) == {
        (lead.pk, kind, who)
        for lead, who in ((judged, None), (held, decider.pk))
        for kind in ("partner_attendance", "candidate_followup", "candidate_recording")
    }
