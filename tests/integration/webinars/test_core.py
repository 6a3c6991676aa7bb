"""Core's hooks and functions: the contract's table, every code, and facts that are recorded once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from efir.accounts.capabilities import Role
from efir.hooks.actions import ActionRefused, Code, Context, Source
from efir.webinars import core
from efir.webinars.lifecycle import TRANSITIONS, Status
from efir.webinars.models import LedgerEntry, Seat, Webinar
from tests.conftest import SYSTEM, start, stop

pytestmark = pytest.mark.django_db

STATUSES = ["draft", "scheduled", "live", "paused", "finished", "archived"]


def ask(action, *args) -> str:
    """Return the new status, or the code of the refusal."""
    try:
        return action(*args).status
    except ActionRefused as refused:
        return refused.code.value


def show(webinar_id, context):
    return core.core_webinar_set_cta_visibility(webinar_id, True, context)


@pytest.mark.parametrize(
    ("action", "answers"),
    [
        (start, "invalid_start live live invalid_start invalid_restart locked"),
        (stop, "invalid_stop invalid_stop finished finished finished locked"),
        (show, "cta cta live paused cta locked"),
        (core.pause, "invalid_stop invalid_stop paused paused invalid_rewind locked"),
        (core.resume, "invalid_start invalid_start live live invalid_restart locked"),
        (core.archive, "invalid_archive invalid_archive invalid_archive invalid_archive archived archived"),
        (core.publish, "scheduled scheduled invalid_rewind invalid_rewind invalid_rewind locked"),
    ],
    ids=["start", "stop", "cta", "pause", "resume", "archive", "publish"],
)
def test_transition_table(make_webinar, action, answers):
    expected = [
        "webinar_cta_invalid_state"
        if word == "cta"
        else word
        if word in STATUSES
        else f"webinar_state_{word}"
        for word in answers.split()
    ]
    assert [ask(action, make_webinar(status).pk, SYSTEM) for status in STATUSES] == expected


@pytest.mark.parametrize("action", [start, stop])
def test_repeated_action_is_a_no_op(make_webinar, action):
    webinar = action(make_webinar("live").pk, SYSTEM)
    ledger, version = webinar.ledger.count(), webinar.version
    again = action(webinar.pk, SYSTEM)
    assert (again.ledger.count(), again.version) == (ledger, version)


def test_refusal_changes_nothing(make_webinar):
    webinar = make_webinar("finished")
    before = Webinar.objects.filter(pk=webinar.pk).values().get()
    with pytest.raises(ActionRefused, match="webinar_state_invalid_restart"):
        start(webinar.pk, SYSTEM)
    with pytest.raises(ActionRefused, match="webinar_state_locked"):
        core.update(webinar.pk, {"title": "Другое"}, SYSTEM)
    assert Webinar.objects.filter(pk=webinar.pk).values().get() == before


@pytest.mark.parametrize("status", ["", "START", "pause", "finished", "live", None, 1])
def test_status_must_be_start_or_stop(make_webinar, status):
    with pytest.raises(ActionRefused) as refused:
        core.core_webinar_set_status(make_webinar("scheduled").pk, status, SYSTEM)
    assert refused.value.code is Code.STATUS_INVALID


def test_unknown_webinar_is_not_found(db):
    with pytest.raises(ActionRefused) as refused:
        start(4711, SYSTEM)
    assert refused.value.code is Code.NOT_FOUND


@pytest.mark.parametrize("role", [Role.CANDIDATE, Role.PARTNER, Role.LEADER])
def test_hooks_check_the_actors_capability(make_person, make_webinar, role):
    context = Context(make_person(role).pk, Source.WEB)
    webinar = make_webinar("live")
    for action in (start, stop, show, core.publish, core.pause):
        with pytest.raises(ActionRefused) as refused:
            action(webinar.pk, context)
        assert refused.value.code is Code.FORBIDDEN


def test_pause_is_for_the_system_only(make_person, make_webinar):
    context = Context(make_person(Role.ADMIN).pk, Source.WEB)
    assert ask(core.pause, make_webinar("live").pk, context) == "forbidden"


def test_web_context_needs_an_actor():
    with pytest.raises(ActionRefused, match="forbidden"):
        Context(None, Source.WEB)


def test_ledger_records_actor_and_source(make_person, make_webinar, clock):
    speaker = make_person(Role.SPEAKER)
    webinar = make_webinar("scheduled")
    moment = clock.move(60)
    start(webinar.pk, Context(speaker.pk, Source.WEB))
    entry = webinar.ledger.last()
    assert (entry.from_status, entry.to_status, entry.actor_id, entry.source, entry.at) == (
        "scheduled",
        "live",
        speaker.pk,
        "web",
        moment,
    )


def test_publish_needs_the_required_fields(make_webinar):
    webinar = make_webinar("draft", player_url="", title="")
    with pytest.raises(ActionRefused, match=r"webinar_incomplete: title, player_url"):
        core.publish(webinar.pk, SYSTEM)


@pytest.mark.parametrize(("status", "field"), [("scheduled", "starts_at"), ("live", "player_url")])
def test_required_fields_cannot_be_emptied_later(make_webinar, status, field):
    webinar = make_webinar(status)
    emptied = {field: None if field == "starts_at" else ""}
    with pytest.raises(ActionRefused, match=rf"webinar_incomplete: {field}"):
        core.update(webinar.pk, emptied | {"chat_url": "https://rutube.ru/chat"}, SYSTEM)
    webinar.refresh_from_db()
    assert getattr(webinar, field)
    assert webinar.chat_url == ""
    core.update(make_webinar("draft").pk, emptied, SYSTEM)


def test_withdrawn_webinar_must_be_put_back_to_start(make_webinar):
    webinar = core.update(make_webinar("scheduled").pk, {"withdrawn": True}, SYSTEM)
    assert ask(start, webinar.pk, SYSTEM) == "webinar_withdrawn"
    core.update(webinar.pk, {"withdrawn": False}, SYSTEM)
    assert ask(start, webinar.pk, SYSTEM) == "live"


@pytest.mark.parametrize(
    ("status", "field", "allowed"),
    [
        ("scheduled", "starts_at", True),
        ("live", "starts_at", False),
        ("live", "player_url", True),
        ("paused", "chat_url", True),
        ("live", "title", False),
        ("live", "withdrawn", False),
        ("finished", "player_url", False),
        ("archived", "title", False),
    ],
)
def test_editable_fields_by_status(make_webinar, clock, status, field, allowed):
    value = (
        clock.move(60) if field == "starts_at" else True if field == "withdrawn" else "https://rutube.ru/x"
    )
    webinar = make_webinar(status)
    answer = ask(core.update, webinar.pk, {field: value}, SYSTEM)
    assert answer == (status if allowed else "webinar_state_locked")


def test_update_refuses_the_status(make_webinar):
    assert (
        ask(core.update, make_webinar("scheduled").pk, {"status": "live"}, SYSTEM) == "webinar_state_locked"
    )


def test_technical_fields_need_their_capability(make_person, make_webinar):
    webinar = make_webinar("scheduled")
    fields = {"forgotten_h": 2.0}
    assert (
        ask(core.update, webinar.pk, fields, Context(make_person(Role.SPEAKER).pk, Source.WEB)) == "forbidden"
    )
    assert (
        ask(core.update, webinar.pk, fields, Context(make_person(Role.ADMIN).pk, Source.WEB)) == "scheduled"
    )


def test_changes_move_the_version_and_keep_the_cta(make_webinar):
    webinar = show(make_webinar("live").pk, SYSTEM)
    changed = core.update(webinar.pk, {"player_url": "https://rutube.ru/x"}, SYSTEM)
    assert changed.version == webinar.version + 1
    assert changed.cta_visible


def test_recording_is_refused_before_the_start(make_webinar):
    def answer(status):
        return ask(core.publish_recording, make_webinar(status).pk, "https://rutube.ru/r", SYSTEM)

    assert [answer(status) for status in STATUSES] == [
        "webinar_recording_invalid_state",
        "webinar_recording_invalid_state",
        "live",
        "paused",
        "finished",
        "webinar_state_locked",
    ]


def test_seat_is_booked_once_and_until_the_stop(make_person, make_webinar):
    person = make_person()
    webinar = make_webinar("live")
    assert core.book_seat(webinar.pk, person) == core.book_seat(webinar.pk, person)
    stop(webinar.pk, SYSTEM)
    with pytest.raises(ActionRefused, match="webinar_seats_closed"):
        core.book_seat(webinar.pk, make_person())


def test_stop_settles_which_seat_holders_are_leads(make_person, make_webinar):
    from efir.accounts.roles import assign_role

    webinar = make_webinar("live")
    lead, partner = make_person(), make_person(Role.PARTNER)
    for person in (lead, partner):
        core.book_seat(webinar.pk, person)
    stop(webinar.pk, SYSTEM)
    assign_role(lead, Role.PARTNER)
    assert dict(Seat.objects.values_list("person_id", "held_by_lead")) == {lead.pk: True, partner.pk: False}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from([core.publish, start, stop, show, core.pause, core.resume, core.archive]), max_size=12
    )
)
def test_random_calls_stay_within_the_table(make_webinar, calls):
    webinar = make_webinar("draft")
    for call in calls:
        ask(call, webinar.pk, SYSTEM)
    steps = [
        (Status(entry.from_status), Status(entry.to_status))
        for entry in LedgerEntry.objects.filter(webinar=webinar)
    ]
    assert all(before is after or (before, after) in TRANSITIONS for before, after in steps)
    reached = steps[-1][1] if steps else Status.DRAFT
    assert Webinar.objects.get(pk=webinar.pk).state is reached


def test_start_fixes_the_parameters_of_the_verdicts(make_webinar, settings):
    webinar = make_webinar()
    assert (webinar.grace_s, webinar.settle_s, webinar.min_watched) == (None, None, None)
    settings.EFIR = replace(settings.EFIR, grace_s=30, settle_s=5, min_watched=80)
    webinar = start(webinar.pk, SYSTEM)
    settings.EFIR = replace(settings.EFIR, grace_s=60, settle_s=6, min_watched=10)
    core.pause(webinar.pk, SYSTEM)
    webinar = core.resume(webinar.pk, SYSTEM)
    assert (webinar.grace_s, webinar.settle_s, webinar.min_watched) == (30, 5, 80)


def test_signal_carries_the_row_that_was_committed(make_webinar, django_capture_on_commit_callbacks):
    webinar, sent = make_webinar("live"), []

    def receive(webinar_id, webinar, **_):
        sent.append((webinar_id, webinar))

    core.webinar_changed.connect(receive)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            changed = show(webinar.pk, SYSTEM)
            changed.title = "written by nobody"
    finally:
        core.webinar_changed.disconnect(receive)
    ((webinar_id, row),) = sent
    stored = Webinar.objects.get(pk=webinar.pk)
    fields = [field.attname for field in Webinar._meta.concrete_fields]
    assert webinar_id == webinar.pk
    assert row.cta_visible
    assert [getattr(row, name) for name in fields] == [getattr(stored, name) for name in fields]
