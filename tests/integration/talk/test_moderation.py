"""Moderation: what each action does, who may do it, and that the audit log knows."""

from __future__ import annotations

import pytest
from django.test import Client

from efir.accounts import erasure
from efir.accounts.capabilities import Capability, Role
from efir.accounts.personal_data import export_data
from efir.audit.models import AuditEntry
from efir.ops.cli import listings
from efir.ops.verify import talk as verify_talk
from efir.talk.models import Message
from efir.talk.moderation import ACTIONS
from efir.talk.writing import MAX_ACCEPTED_PER_SECOND
from efir.webinars import core
from tests.conftest import SYSTEM
from tests.integration.talk.test_messages import error, read, say, streamed_text

pytestmark = pytest.mark.django_db


@pytest.fixture
def room(make_webinar):
    return make_webinar("live")


@pytest.fixture
def speaker(as_role):
    return as_role(Role.SPEAKER)


def act(client, room, message, action):
    return client.post(f"/admin_webinar/{room.pk}/messages/{message}", {"action": action})


def mute(client, room, person, on="true"):
    return client.post(f"/admin_webinar/{room.pk}/mute", {"person": person.pk, "on": on})


def texts(client, room):
    return [(each["text"], each["state"]) for each in read(client, room)]


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("role", "expected"),
    [(None, 403), ("candidate", 403), ("partner", 403), ("leader", 403), ("speaker", 200), ("admin", 200)],
)
def test_role_by_action(as_role, room, role, action, expected):
    member = as_role(Role.CANDIDATE)
    kind = "question" if action == "answer" else "message"
    number = say(member, room, kind=kind).json()["id"]
    client = as_role(Role(role)) if role else Client()
    assert act(client, room, number, action).status_code == expected
    assert mute(client, room, member.person).status_code == expected


def test_hidden_message_is_empty_for_all_but_kept_for_those_who_moderate(member, as_role, speaker, room):
    number = say(member, room, "Плохо").json()["id"]
    answer = act(speaker, room, number, "hide")
    assert (answer.json()["text"], answer.json()["author"], answer.json()["state"]) == ("", {}, "hidden")
    for client in (member, as_role(Role.PARTNER), speaker):
        (seen,) = read(client, room)
        assert (seen["text"], seen["author"], seen["state"]) == ("", {}, "hidden")
    assert seen["original"]["text"] == "Плохо"
    assert act(speaker, room, number, "show").json()["text"] == "Плохо"
    assert texts(member, room) == [("Плохо", "shown")]


def test_change_comes_after_everything_known(member, speaker, room):
    first, second = say(member, room).json()["id"], say(member, room).json()["id"]
    act(speaker, room, first, "hide")
    assert list(Message.objects.order_by("number").values_list("number", "change")) == [
        (first, 3),
        (second, 2),
    ]


def test_action_is_done_once(member, speaker, room):
    number = say(member, room, kind="question").json()["id"]
    for action in ("answer", "pin", "unpin", "hide", "show"):
        before = AuditEntry.objects.count()
        answers = [act(speaker, room, number, action).json() for _ in range(2)]
        assert answers[0] == answers[1]
        assert AuditEntry.objects.count() == before + 1


def test_audit_log_has_each_action_without_the_text(member, speaker, room):
    number = say(member, room, "Тайна", kind="question").json()["id"]
    for action in ("answer", "pin", "unpin", "hide", "show"):
        act(speaker, room, number, action)
    mute(speaker, room, member.person)
    mute(speaker, room, member.person, "false")
    entries = AuditEntry.objects.filter(action__startswith="talk_").order_by("pk")
    assert [entry.action for entry in entries] == [
        "talk_answered", "talk_pinned", "talk_unpinned", "talk_hidden", "talk_shown", "talk_muted", "talk_unmuted",
    ]  # fmt: skip
    assert {(entry.actor_id, entry.person_id, entry.webinar_id) for entry in entries} == {
        (speaker.person.pk, member.person.pk, room.pk)
    }
    assert "Тайна" not in str([entry.details for entry in entries])


def test_one_message_is_pinned(member, speaker, room):
    first, second = say(member, room).json()["id"], say(member, room).json()["id"]
    act(speaker, room, first, "pin")
    act(speaker, room, second, "pin")
    assert [each.get("pinned", False) for each in read(member, room)] == [False, True]
    act(speaker, room, second, "hide")
    assert not Message.objects.filter(pinned=True).exists()


def test_answer_has_the_minute_of_the_broadcast(member, speaker, make_webinar, clock):
    room = make_webinar("live")
    clock.move(12 * 60 + 30)
    number = say(member, room, kind="question").json()["id"]
    answered = act(speaker, room, number, "answer").json()
    assert (answered["answered_minute"], answered["answered_at"]) == (12, "2026-11-23T16:12:30Z")
    assert read(member, room) == [{**answered, "author": {"name": member.person.name, "badge": ""}}]


def test_answer_after_the_stop_has_no_minute(member, speaker, room, clock):
    number = say(member, room, kind="question").json()["id"]
    clock.move(60 * 60)
    core.core_webinar_set_status(room.pk, "stop", SYSTEM)
    answered = act(speaker, room, number, "answer").json()
    assert answered["answered_at"]
    assert answered["answered_minute"] is None


@pytest.mark.parametrize(
    ("before", "action"), [((), "answer"), (("hide",), "pin")], ids=["answer a message", "pin a hidden one"]
)
def test_action_that_does_not_fit_is_refused(member, speaker, room, before, action):
    number = say(member, room).json()["id"]
    for each in before:
        act(speaker, room, number, each)
    refused = act(speaker, room, number, action)
    assert error(refused) == (409, "message_invalid_state")
    assert refused.json()["detail"].startswith(
        "С этим сообщением так нельзя"
    )  # the page shows it to the speaker


def test_private_question_is_shown_to_all_after_the_answer(member, as_role, speaker, make_webinar):
    room, other = make_webinar("live", talk="questions"), as_role(Role.CANDIDATE)
    number = say(member, room, "Сколько?", kind="question").json()["id"]
    assert (texts(member, room), texts(other, room)) == ([("Сколько?", "shown")], [])
    assert error(act(speaker, room, number, "show")) == (409, "message_invalid_state")
    assert error(act(speaker, room, number, "pin")) == (409, "message_invalid_state")
    act(speaker, room, number, "answer")
    assert texts(other, room) == []
    act(speaker, room, number, "show")
    assert texts(other, room) == [("Сколько?", "shown")]


@pytest.mark.parametrize(("hold", "second"), [("first", "shown"), ("all", "held")])
def test_held_message_waits_for_a_look(as_role, speaker, make_webinar, hold, second):
    room = make_webinar("live", talk_hold=hold)
    member, other = as_role(Role.CANDIDATE), as_role(Role.CANDIDATE)
    first = say(member, room, "Раз").json()
    assert (first["state"], texts(member, room), texts(other, room)) == ("held", [("Раз", "held")], [])
    assert say(member, room, "Два").json()["state"] == "held"
    act(speaker, room, first["id"], "show")
    assert texts(other, room) == [("Раз", "shown")]
    assert say(member, room, "Три").json()["state"] == second
    assert say(speaker, room, "Я").json()["state"] == "shown"


def test_hidden_word_holds_a_message(member, as_role, make_webinar):
    room = make_webinar("live", talk_words="казино\nкупон")
    assert say(member, room, "Айда в к а з и н 0!").json()["state"] == "held"
    assert say(member, room, "Магазин").json()["state"] == "shown"
    assert texts(as_role(Role.CANDIDATE), room) == [("Магазин", "shown")]


def test_muted_person_does_not_notice(member, as_role, speaker, room, clock):
    other = as_role(Role.CANDIDATE)
    say(member, room, "Раз")
    assert mute(speaker, room, member.person).json() == {"person": member.person.pk, "on": True}
    answer = say(member, room, "Два")
    assert (answer.status_code, answer.json()["state"]) == (201, "shown")
    assert texts(member, room) == [("Раз", "shown"), ("Два", "shown")]
    assert texts(other, room) == [("", "hidden")]
    assert [each["original"]["text"] for each in read(speaker, room)] == ["Раз", "Два"]
    assert [line["state"] for line in listings.messages(room.pk)] == ["hidden", "hidden"]
    mute(speaker, room, member.person, "false")
    assert texts(other, room) == [("Раз", "shown"), ("Два", "shown")]


def test_muted_person_is_not_held_again(member, speaker, make_webinar):
    room = make_webinar("live", talk_hold="first")
    act(speaker, room, say(member, room, "Раз").json()["id"], "show")
    mute(speaker, room, member.person)
    assert say(member, room, "Два").json()["state"] == "shown"
    assert texts(member, room) == [("Раз", "shown"), ("Два", "shown")]


def test_muted_person_sees_own_words_without_a_script(member, as_role, speaker, room):
    mute(speaker, room, member.person)
    sent = {"text": "Слышно?", "kind": "message"}
    answer = member.post(f"/account/webinar_room/{room.pk}/messages", sent, headers={"accept": "text/html"})
    assert "Слышно?" in member.get(answer.url).content.decode()
    assert "Слышно?" not in as_role(Role.CANDIDATE).get(answer.url).content.decode()


def test_muted_people_do_not_keep_others_from_writing(as_role, speaker, room, clock):
    people = [as_role(Role.CANDIDATE) for _ in range(MAX_ACCEPTED_PER_SECOND)]
    for each in people:
        mute(speaker, room, each.person)
    assert [say(each, room).status_code for each in people] == [201] * MAX_ACCEPTED_PER_SECOND
    assert say(as_role(Role.CANDIDATE), room).status_code == 201


def test_those_who_moderate_are_not_muted(as_role, speaker, room):
    assert error(mute(speaker, room, as_role(Role.ADMIN).person)) == (409, "person_moderates")


def test_unknown_people_and_messages(speaker, room):
    assert error(act(speaker, room, 5, "hide")) == (404, "message_not_found")
    answer = speaker.post(f"/admin_webinar/{room.pk}/mute", {"person": "999", "on": "true"})
    assert error(answer) == (404, "person_not_found")


def test_archived_talk_is_read_only(member, speaker, make_webinar):
    room = make_webinar("archived")
    assert error(act(speaker, room, 1, "hide")) == (409, "webinar_state_locked")
    assert error(mute(speaker, room, member.person)) == (409, "webinar_state_locked")


def test_erased_person_says_nothing(member, as_role, speaker, room):
    other = as_role(Role.CANDIDATE)
    number = say(member, room, "Это я, Анна").json()["id"]
    act(speaker, room, number, "pin")
    mute(speaker, room, member.person)
    erasure.erase(member.person.pk, SYSTEM)
    assert texts(other, room) == texts(speaker, room) == [("", "hidden")]
    assert error(act(speaker, room, number, "show")) == (409, "message_invalid_state")
    assert "Анна" not in str(list(Message.objects.values()))
    assert list(verify_talk.issues()) == []


def test_export_has_what_was_written(member, room):
    say(member, room, "Моё")
    rows = export_data(member.person)["talk"]
    assert [(row["webinar_id"], row["number"], row["text"]) for row in rows] == [(room.pk, 1, "Моё")]


def test_listing_has_the_fields_of_the_interface(member, speaker, room):
    number = say(member, room, "Вопрос?", kind="question").json()["id"]
    act(speaker, room, number, "answer")
    (line,) = listings.messages(room.pk)
    moments = line.pop("at"), line.pop("answered_at")
    assert all(moment.endswith("Z") for moment in moments)
    assert line == {
        "id": number,
        "webinar_id": room.pk,
        "person": member.person.pk,
        "kind": "question",
        "text": "Вопрос?",
        "state": "shown",
    }


@pytest.mark.parametrize(("name", "rows"), [("questions", ["Вопрос?"]), ("talk", ["'=1+1", "Вопрос?"])])
def test_csv_has_questions_or_all(member, speaker, room, name, rows):
    say(member, room, "=1+1")
    say(member, room, "Вопрос?", kind="question")
    answer = speaker.get(f"/admin_webinar/{room.pk}/{name}.csv")
    lines = streamed_text(answer).splitlines()
    assert [line.split(";")[3] for line in lines[1:]] == rows
    assert lines[0].startswith("Номер;Имя;Вид;Текст;")


@pytest.mark.parametrize("name", ["questions", "talk"])
def test_csv_needs_the_right_to_moderate(member, speaker, room, name):
    group = speaker.person.membership.group
    group.permissions.remove(group.permissions.get(codename=Capability.MODERATE_TALK))
    assert speaker.get(f"/admin_webinar/{room.pk}/{name}.csv").status_code == 403
    assert speaker.get(f"/admin_webinar/{room.pk}/presence.csv").status_code == 200


def test_verify_finds_what_is_wrong(member, room):
    say(member, room)
    Message.objects.update(change=9, pinned=True, muted=True)
    assert {issue.wrong for issue in verify_talk.issues()} == {
        "its change is above its webinar's counter",
        "it is pinned, but not everybody sees it",
    }
