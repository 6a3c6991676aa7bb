"""The outbox: the initial state of a message, and what changes it."""

from __future__ import annotations

from uuid import uuid4

import pytest

from efir.accounts.capabilities import Role
from efir.hooks.actions import ActionRefused, Code, Context, Source
from efir.telegram.models import Kind, MessageState, OutboxMessage, TelegramChat
from efir.telegram.outbox import enqueue as enqueue_module
from efir.telegram.outbox.enqueue import NewMessage, enqueue, expire, release_for_link
from efir.telegram.outbox.queries import all_settled, count_by_state
from efir.telegram.outbox.resend import resolve, retry
from efir.webinars import core
from tests.conftest import SYSTEM
from tests.support.telegram import classified, linked, states_of

pytestmark = pytest.mark.django_db

RECORDING = "https://video.example.org/1"
DAY_S = 24 * 3600


@pytest.fixture
def webinar(clock, make_webinar):
    return make_webinar("finished")


@pytest.fixture
def lead(make_person):
    return make_person()


@pytest.fixture
def write(clock, webinar, lead):
    """Queue these kinds for the lead, as the follow-up does."""

    def write(*kinds, about=webinar, recording=""):
        core.publish_recording(about.pk, recording, SYSTEM)
        enqueue(
            [
                NewMessage(
                    webinar_id=about.pk, lead_id=lead.pk, person_id=lead.pk, kind=kind, cause_at=clock()
                )
                for kind in kinds or (Kind.CANDIDATE_FOLLOWUP, Kind.CANDIDATE_RECORDING)
            ]
        )

    return write


@pytest.mark.parametrize(
    ("chat", "recording", "states"),
    [
        (None, "", ["waiting_link", "waiting_link"]),
        (None, RECORDING, ["waiting_link", "waiting_link"]),
        ("unreachable", RECORDING, ["waiting_link", "waiting_link"]),
        ("reachable", "", ["queued", "waiting_recording"]),
        ("reachable", RECORDING, ["queued", "queued"]),
    ],
)
def test_initial_state_is_what_the_message_waits_for(lead, write, chat, recording, states):
    if chat:
        linked(lead, reachable=chat == "reachable")
    write(recording=recording)
    assert list(states_of(lead).values()) == states


def test_enqueue_is_idempotent(write):
    write()
    write()
    assert OutboxMessage.objects.count() == 2


def test_link_releases_waiting_messages(lead, write):
    write()
    linked(lead)
    assert release_for_link(lead) == 2
    assert states_of(lead) == {"candidate_followup": "queued", "candidate_recording": "waiting_recording"}


def test_published_recording_releases_waiting_messages(webinar, lead, write, make_webinar):
    other = make_webinar("finished")
    linked(lead)
    write(Kind.CANDIDATE_RECORDING)
    write(Kind.CANDIDATE_RECORDING, about=other)
    core.publish_recording(webinar.pk, RECORDING, SYSTEM)
    assert OutboxMessage.objects.get(webinar=webinar).state == MessageState.QUEUED
    assert OutboxMessage.objects.get(webinar=other).state == MessageState.WAITING_RECORDING


def test_worker_releases_what_a_publication_leaves(webinar, make_person, monkeypatch):
    monkeypatch.setattr(enqueue_module, "RELEASE_CHUNK", 3)
    leads = [make_person() for _ in range(8)]
    for lead in leads:
        linked(lead)
    classified(webinar, leads, "no_show")
    waiting = OutboxMessage.objects.filter(kind=Kind.CANDIDATE_RECORDING)
    TelegramChat.objects.filter(person=leads[-1]).delete()
    core.publish_recording(webinar.pk, RECORDING, SYSTEM)
    assert waiting.filter(state="queued").count() == 3
    expire()
    assert set(waiting.exclude(person=leads[-1]).values_list("state", flat=True)) == {"queued"}
    assert waiting.get(person=leads[-1]).state == "waiting_link"


def test_publication_costs_the_same_however_many_wait(
    webinar, make_person, make_webinar, django_assert_max_num_queries
):
    leads = [make_person() for _ in range(60)]
    for lead in leads:
        linked(lead)
    classified(webinar, leads, "no_show")
    with django_assert_max_num_queries(20):
        core.publish_recording(webinar.pk, RECORDING, SYSTEM)


def test_link_leaves_the_rest_to_the_worker(webinar, make_person, monkeypatch):
    monkeypatch.setattr(enqueue_module, "RELEASE_CHUNK", 3)
    partner = make_person(Role.PARTNER)
    classified(webinar, [make_person(invited_by=partner) for _ in range(7)], "no_show")
    linked(partner)
    assert release_for_link(partner) == 3
    expire()
    assert set(OutboxMessage.objects.filter(person=partner).values_list("state", flat=True)) == {"queued"}


def test_removed_recording_releases_nothing(webinar, lead, write):
    linked(lead)
    core.publish_recording(webinar.pk, RECORDING, SYSTEM)
    write(Kind.CANDIDATE_RECORDING)
    core.publish_recording(webinar.pk, "", SYSTEM)
    assert states_of(lead) == {"candidate_recording": "waiting_recording"}


def test_recording_for_unlinked_person_waits_for_the_link(webinar, lead, write):
    chat = linked(lead)
    write(Kind.CANDIDATE_RECORDING)
    chat.delete()
    core.publish_recording(webinar.pk, RECORDING, SYSTEM)
    assert states_of(lead) == {"candidate_recording": "waiting_link"}


def test_message_expires_after_a_week_without_link(clock, lead, write):
    write()
    clock.move(7 * DAY_S - 1)
    assert expire() == 0
    clock.move(1)
    assert expire() == 2
    linked(lead)
    assert release_for_link(lead) == 0
    assert set(states_of(lead).values()) == {"expired"}


def test_late_link_releases_no_overdue_message(clock, lead, write):
    write()
    clock.move(7 * DAY_S)
    linked(lead)
    assert release_for_link(lead) == 0


def test_message_expires_after_thirty_days_without_recording(clock, lead, write):
    linked(lead)
    write()
    clock.move(30 * DAY_S)
    assert expire() == 1
    assert states_of(lead) == {"candidate_followup": "queued", "candidate_recording": "expired"}


def test_expire_releases_messages_left_by_a_race(lead, write):
    """Two transactions at once: the message was written before the link was committed."""
    write()
    linked(lead)
    expire()
    assert states_of(lead) == {"candidate_followup": "queued", "candidate_recording": "waiting_recording"}


def test_all_settled_looks_at_every_state(webinar, write):
    write()
    rows = OutboxMessage.objects.filter(webinar=webinar)
    for state in MessageState:
        rows.update(state=state)
        assert all_settled(webinar.pk) is (state in {"sent", "failed", "uncertain", "expired"})
    assert count_by_state(webinar.pk) == {"expired": 2}
    assert all_settled(webinar.pk + 1)


@pytest.mark.parametrize("state", ["failed", "uncertain"])
def test_admin_retries(lead, write, make_person, state):
    linked(lead)
    write()
    OutboxMessage.objects.filter(kind=Kind.CANDIDATE_FOLLOWUP).update(state=state)
    context = Context(make_person(Role.ADMIN).pk, Source.WEB)
    assert retry(OutboxMessage.objects.all(), context) == 1
    assert states_of(lead) == {"candidate_followup": "queued", "candidate_recording": "waiting_recording"}
    retried = OutboxMessage.objects.values_list("retried_by", flat=True).order_by("pk")
    assert list(retried) == [context.actor_id, None]


def test_speaker_may_not_retry(lead, write, make_person):
    write()
    OutboxMessage.objects.update(state=MessageState.FAILED)
    with pytest.raises(ActionRefused) as refused:
        retry(OutboxMessage.objects.all(), Context(make_person(Role.SPEAKER).pk, Source.WEB))
    assert refused.value.code is Code.FORBIDDEN
    assert set(states_of(lead).values()) == {"failed"}


@pytest.fixture
def admin(make_person):
    return Context(make_person(Role.ADMIN).pk, Source.WEB)


@pytest.fixture
def uncertain(lead, write):
    """A follow-up that carried a recording, twice without an answer."""
    linked(lead)
    write(recording=RECORDING)
    OutboxMessage.objects.update(
        state="uncertain", attempt_id=uuid4(), uncertain_count=1, error="ReadTimeout"
    )
    return OutboxMessage.objects.filter(kind=Kind.CANDIDATE_FOLLOWUP)


def test_resolve_as_delivered(clock, uncertain, admin):
    assert resolve(uncertain, delivered=True, context=admin) == 2
    for row in OutboxMessage.objects.all():
        assert (row.state, row.sent_at, row.error) == ("sent", clock(), "")
        assert (row.resolved_by_id, row.retried_by_id) == (admin.actor_id, None)


def test_resolve_as_not_delivered_queues_again(clock, uncertain, admin):
    clock.move(5)
    assert resolve(uncertain, delivered=False, context=admin) == 2
    for row in OutboxMessage.objects.all():
        assert (row.state, row.due_at, row.attempt_id) == ("queued", clock(), None)
        assert (row.resolved_by_id, row.retried_by_id) == (None, admin.actor_id)
        assert row.uncertain_count == 1  # if nobody knows again, a person decides again


@pytest.mark.parametrize("delivered", [True, False])
def test_resolve_is_idempotent(uncertain, admin, make_person, delivered):
    resolve(uncertain, delivered=True, context=admin)
    other = Context(make_person(Role.ADMIN).pk, Source.WEB)
    assert resolve(uncertain, delivered=delivered, context=other) == 0
    assert {(row.state, row.resolved_by_id) for row in OutboxMessage.objects.all()} == {
        ("sent", admin.actor_id)
    }


@pytest.mark.parametrize("state", [state for state in MessageState if state != "uncertain"])
@pytest.mark.parametrize("delivered", [True, False])
def test_resolve_ignores_other_states(uncertain, admin, state, delivered):
    OutboxMessage.objects.update(state=state)
    assert resolve(OutboxMessage.objects.all(), delivered=delivered, context=admin) == 0
    assert set(OutboxMessage.objects.values_list("state", flat=True)) == {state}


@pytest.mark.parametrize("delivered", [True, False])
def test_speaker_may_not_resolve(uncertain, make_person, delivered):
    with pytest.raises(ActionRefused) as refused:
        resolve(uncertain, delivered=delivered, context=Context(make_person(Role.SPEAKER).pk, Source.WEB))
    assert refused.value.code is Code.FORBIDDEN
    assert set(OutboxMessage.objects.values_list("state", flat=True)) == {"uncertain"}


def test_place_counts_messages_to_the_same_person(clock, webinar, make_person, make_webinar):
    partner, other = make_person(Role.PARTNER), make_person(Role.PARTNER)
    second = make_webinar("finished")

    def tell(about, *receivers):
        enqueue(
            [
                NewMessage(
                    webinar_id=about.pk,
                    lead_id=make_person().pk,
                    person_id=receiver.pk,
                    kind=Kind.PARTNER_ATTENDANCE,
                    cause_at=clock(),
                )
                for receiver in receivers
            ]
        )

    tell(webinar, partner, other, partner)
    tell(webinar, partner)
    tell(second, partner)
    places = OutboxMessage.objects.order_by("pk").values_list("webinar_id", "person_id", "place")
    assert list(places) == [
        (webinar.pk, partner.pk, 0),
        (webinar.pk, other.pk, 0),
        (webinar.pk, partner.pk, 1),
        (webinar.pk, partner.pk, 2),
        (second.pk, partner.pk, 0),
    ]
