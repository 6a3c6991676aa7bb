"""The outbox: in which state a message begins, and what moves it on."""

from __future__ import annotations

import pytest

from efir.accounts.capabilities import Role
from efir.hooks.actions import Code, Context, Refused, Source
from efir.telegram import outbox
from efir.telegram.models import Kind, MessageState, OutboxMessage
from efir.telegram.outbox import Draft, enqueue
from efir.webinars import core
from tests.conftest import SYSTEM
from tests.telegram_kit import linked, states_of

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
                Draft(webinar_id=about.pk, lead_id=lead.pk, person_id=lead.pk, kind=kind, cause_at=clock())
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
def test_a_message_begins_where_its_first_obstacle_is(lead, write, chat, recording, states):
    if chat:
        linked(lead, reachable=chat == "reachable")
    write(recording=recording)
    assert list(states_of(lead).values()) == states


def test_a_message_is_written_once(write):
    write()
    write()
    assert OutboxMessage.objects.count() == 2


def test_a_link_releases_what_waited_for_it(lead, write):
    write()
    linked(lead)
    assert outbox.release_for_link(lead) == 2
    assert states_of(lead) == {"candidate_followup": "queued", "candidate_recording": "waiting_recording"}


def test_publishing_the_recording_releases_it(webinar, lead, write, make_webinar):
    other = make_webinar("finished")
    linked(lead)
    write(Kind.CANDIDATE_RECORDING)
    write(Kind.CANDIDATE_RECORDING, about=other)
    core.publish_recording(webinar.pk, RECORDING, SYSTEM)
    assert OutboxMessage.objects.get(webinar=webinar).state == MessageState.QUEUED
    assert OutboxMessage.objects.get(webinar=other).state == MessageState.WAITING_RECORDING


def test_a_recording_that_is_taken_back_releases_nothing(webinar, lead, write):
    linked(lead)
    core.publish_recording(webinar.pk, RECORDING, SYSTEM)
    write(Kind.CANDIDATE_RECORDING)
    core.publish_recording(webinar.pk, "", SYSTEM)
    assert states_of(lead) == {"candidate_recording": "waiting_recording"}


def test_a_recording_for_somebody_who_unlinked_meanwhile_waits_for_the_link(webinar, lead, write):
    chat = linked(lead)
    write(Kind.CANDIDATE_RECORDING)
    chat.delete()
    core.publish_recording(webinar.pk, RECORDING, SYSTEM)
    assert states_of(lead) == {"candidate_recording": "waiting_link"}


def test_who_never_links_is_given_up_after_a_week(clock, lead, write):
    write()
    clock.move(7 * DAY_S - 1)
    assert outbox.expire() == 0
    clock.move(1)
    assert outbox.expire() == 2
    linked(lead)
    assert outbox.release_for_link(lead) == 0
    assert set(states_of(lead).values()) == {"expired"}


def test_a_link_that_comes_too_late_releases_nothing_before_the_expiry_is_written(clock, lead, write):
    write()
    clock.move(7 * DAY_S)
    linked(lead)
    assert outbox.release_for_link(lead) == 0


def test_a_recording_that_never_comes_is_given_up_after_thirty_days(clock, lead, write):
    linked(lead)
    write()
    clock.move(30 * DAY_S)
    assert outbox.expire() == 1
    assert states_of(lead) == {"candidate_followup": "queued", "candidate_recording": "expired"}


def test_a_link_that_a_message_did_not_see_still_releases_it(lead, write):
    """Two transactions at once: the message was written before the link was committed."""
    write()
    linked(lead)
    outbox.expire()
    assert states_of(lead) == {"candidate_followup": "queued", "candidate_recording": "waiting_recording"}


def test_a_webinar_is_settled_when_nothing_moves_by_itself_any_more(webinar, write):
    write()
    rows = OutboxMessage.objects.filter(webinar=webinar)
    for state in MessageState:
        rows.update(state=state)
        assert outbox.all_settled(webinar.pk) is (state in {"sent", "failed", "uncertain", "expired"})
    assert outbox.summary(webinar.pk) == {"expired": 2}
    assert outbox.all_settled(webinar.pk + 1)


@pytest.mark.parametrize("state", ["failed", "uncertain"])
def test_an_admin_sends_again(lead, write, make_person, state):
    linked(lead)
    write()
    OutboxMessage.objects.filter(kind=Kind.CANDIDATE_FOLLOWUP).update(state=state)
    context = Context(make_person(Role.ADMIN).pk, Source.WEB)
    assert outbox.retry(OutboxMessage.objects.all(), context) == 1
    assert states_of(lead) == {"candidate_followup": "queued", "candidate_recording": "waiting_recording"}


def test_a_speaker_does_not_send_again(lead, write, make_person):
    write()
    OutboxMessage.objects.update(state=MessageState.FAILED)
    with pytest.raises(Refused) as refused:
        outbox.retry(OutboxMessage.objects.all(), Context(make_person(Role.SPEAKER).pk, Source.WEB))
    assert refused.value.code is Code.FORBIDDEN
    assert set(states_of(lead).values()) == {"failed"}
