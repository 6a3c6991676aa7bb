"""Write and read messages of a room: the interface, and every reason to refuse one."""

from __future__ import annotations

import json
from contextlib import ExitStack
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.utils.html import escape

from efir.accounts.capabilities import Capability, Role
from efir.lib import clock as efir_clock
from efir.lib.text import clean_text
from efir.talk import rate_limiter
from efir.talk.models import Message, TalkRoom
from efir.talk.writing import FAST_COUNT, MAX_ACCEPTED_PER_SECOND, TooFast
from efir.webinars import core
from tests.conftest import SYSTEM

pytestmark = pytest.mark.django_db


@pytest.fixture
def room(make_webinar):
    return make_webinar("live")


def say(client, webinar, text="Здравствуйте", kind="message", client_id=None, **more):
    data = {"text": text, "kind": kind, "client_id": str(client_id or uuid4())} | more
    return client.post(f"/account/webinar_room/{webinar.pk}/messages", data)


def send_form(client, webinar, text):
    """Send as a browser without script does."""
    address = f"/account/webinar_room/{webinar.pk}/messages"
    return client.post(address, {"text": text, "kind": "message"}, headers={"Accept": "text/html"})


def read(client, webinar, after=None):
    query = {} if after is None else {"after": after}
    answer = client.get(f"/account/webinar_room/{webinar.pk}/messages", query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def streamed_text(answer):
    """Return the text of a download, without its byte order mark."""

    async def together():
        return b"".join([part async for part in answer.streaming_content])

    return async_to_sync(together)().decode().removeprefix("\ufeff")


def error(answer):
    return answer.status_code, answer.json()["error"]


def test_answer_is_the_message(member, room):
    answer = say(member, room, "  Добрый\u200b вечер  ")
    message = answer.json()
    at = message.pop("at")
    assert answer.status_code == 201
    assert at == efir_clock.iso(Message.objects.get().at)
    assert message == {
        "id": 1,
        "kind": "message",
        "text": "Добрый вечер",
        "author": {"name": member.person.name, "badge": ""},
        "state": "shown",
    }
    assert read(member, room) == [message | {"at": at}]


def test_same_client_id_is_stored_once(member, as_role, room):
    client_id = uuid4()
    first, second = (say(member, room, client_id=client_id) for _ in range(2))
    other = say(as_role(Role.CANDIDATE), room, client_id=client_id)
    assert (first.status_code, second.status_code, other.status_code) == (201, 200, 201)
    assert first.json() == second.json() != other.json()
    assert Message.objects.count() == 2


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"text": ""}, "invalid_text"),
        ({"text": " \u200b\u2066 "}, "invalid_text"),
        ({"text": "ы" * 501}, "invalid_text"),
        ({"kind": "shout"}, "invalid_kind"),
        ({"client_id": "1"}, "invalid_client_id"),
    ],
)
def test_invalid_fields_are_refused(member, room, fields, code):
    data = {"text": "Да", "kind": "message", "client_id": str(uuid4())} | fields
    answer = member.post(f"/account/webinar_room/{room.pk}/messages", data)
    assert error(answer) == (400, code)
    assert answer.json()["detail"]
    assert not Message.objects.exists()


def test_500_signs_fit(member, room):
    assert say(member, room, "ы" * 500).status_code == 201


@pytest.mark.parametrize(
    ("role", "badge"),
    [("candidate", ""), ("partner", "partner"), ("leader", "partner"), ("speaker", "speaker")],
)
def test_badge_follows_capabilities(as_role, room, role, badge):
    assert say(as_role(Role(role)), room).json()["author"]["badge"] == badge


def test_fourth_message_in_five_seconds_is_refused(member, room, clock):
    assert [say(member, room).status_code for _ in range(3)] == [201] * 3
    assert error(say(member, room)) == (429, "talk_too_fast")
    clock.move(6)
    assert say(member, room).status_code == 201


def test_room_takes_ten_messages_a_second(as_role, room, clock):
    people = [as_role(Role.CANDIDATE) for _ in range(MAX_ACCEPTED_PER_SECOND + 1)]
    assert [say(each, room).status_code for each in people] == [201] * MAX_ACCEPTED_PER_SECOND + [429]
    assert error(say(people[-1], room)) == (429, "talk_busy")
    assert say(as_role(Role.SPEAKER), room).status_code == 201
    clock.move(1)
    assert say(people[-1], room).status_code == 201


def test_fourth_unanswered_question_is_refused(member, as_role, room, clock):
    for _ in range(3):
        first = say(member, room, kind="question")
        clock.move(6)
    assert error(say(member, room, kind="question")) == (409, "too_many_questions")
    assert say(member, room).status_code == 201
    as_role(Role.SPEAKER).post(
        f"/admin_webinar/{room.pk}/messages/{first.json()['id']}", {"action": "answer"}
    )
    assert say(member, room, kind="question").status_code == 201


@pytest.mark.parametrize(
    ("mode", "kind", "expected"),
    [
        ("off", "message", (409, "talk_off")),
        ("embed", "question", (409, "talk_off")),
        ("questions", "message", (409, "talk_questions_only")),
    ],
)
def test_mode_refuses(member, make_webinar, mode, kind, expected):
    room = make_webinar("live", talk=mode)
    assert error(say(member, room, kind=kind)) == expected
    assert read(member, room) == []


@pytest.mark.parametrize("state", ["finished", "archived"])
def test_talk_closes_at_the_end(member, make_webinar, state):
    assert error(say(member, make_webinar(state))) == (409, "talk_closed")


def test_waiting_room_talks(member, make_webinar):
    assert say(member, make_webinar("scheduled")).status_code == 201


def test_talk_of_a_withdrawn_webinar_is_closed(member, make_webinar):
    room = make_webinar("scheduled")
    core.update(room.pk, {"withdrawn": True}, SYSTEM)
    assert error(say(member, room)) == (409, "talk_closed")


def test_links_need_a_capability(member, as_role, room):
    for text in (
        *("смотрите https://example.ru/x", "вот t.me/someone", "example.ru", "WWW.x", "Example.Ru"),
        *("наш.сайт", "ПРИВЕТ.МОСКВА", "buy.it.online!"),
    ):
        assert error(say(member, room, text)) == (403, "talk_links")
    assert say(as_role(Role.SPEAKER), room, "https://example.ru").status_code == 201
    for text in ("3.5 тыс. и т.д. Файл.Да", "Добрый вечер.Москва на связи. Дома.Дети спят"):
        assert say(member, room, text).status_code == 201


def test_writing_needs_a_capability(member, room):
    group = member.person.membership.group
    group.permissions.remove(group.permissions.get(codename=Capability.WRITE_TALK))
    assert error(say(member, room)) == (403, "forbidden")
    assert read(member, room) == []
    page = member.get(f"/account/webinar_room/{room.pk}/").content.decode()
    assert 'id="talk"' in page
    assert "talk-form" not in page


def test_slow_mode_spaces_messages(member, as_role, make_webinar, clock):
    room = make_webinar("live", talk_slow_s=30)
    speaker = as_role(Role.SPEAKER)
    assert say(member, room).status_code == 201
    assert [say(speaker, room).status_code for _ in range(2)] == [201, 201]
    clock.move(19)
    refused = say(member, room)
    assert error(refused) == (429, "talk_too_fast")
    assert (refused["Retry-After"], refused.json()["detail"]) == (
        "11",
        "Вы пишете слишком часто. Отправьте снова через 11 секунд.",
    )
    clock.move(11)
    assert say(member, room).status_code == 201


def test_pages_are_oldest_first(member, room):
    for number in range(1, 131):
        Message.objects.create(
            webinar=room, person=member.person, number=number, change=number, client_id=uuid4(),
            kind="message", text=str(number), state="shown", shown_at=efir_clock.now(),
        )  # fmt: skip
    TalkRoom.objects.create(webinar=room, last_change=130)
    assert [each["id"] for each in read(member, room)] == list(range(31, 131))
    assert [each["id"] for each in read(member, room, 0)] == list(range(1, 101))
    assert [each["id"] for each in read(member, room, 100)] == list(range(101, 131))


def test_form_without_script_returns_to_the_room(member, room):
    answer = send_form(member, room, "Да")
    assert (answer.status_code, answer["Location"]) == (
        302,
        f"/account/webinar_room/{room.pk}/?mine=1#talk",
    )
    assert Message.objects.get().text == "Да"


@pytest.mark.parametrize(
    ("text", "fields", "refusal"),
    [
        ("да" * 251, {}, (400, "в сообщении не больше 500 знаков")),
        ("  \u200b", {}, (400, "Напишите текст")),
        ("</textarea> https://example.ru", {}, (403, "Уберите ссылку")),
        ("Когда начнём?", {"talk": "questions"}, (409, "Отправьте это как вопрос")),
        ("Спасибо!", {"status": "finished"}, (409, "уже закончился")),
    ],
)
def test_refused_form_keeps_its_text(member, make_webinar, text, fields, refusal):
    room = make_webinar(**{"status": "live"} | fields)
    answer = send_form(member, room, text)
    page = answer.content.decode()
    status, sentence = refusal
    assert answer.status_code == status
    assert f">{escape(clean_text(text))}</textarea>" in page
    assert sentence in page
    assert f'href="/account/webinar_room/{room.pk}/?mine=1#talk"' in page
    assert not Message.objects.exists()


def test_form_refused_for_its_rate_keeps_its_text(member, make_webinar, clock):
    room = make_webinar("live", talk_slow_s=30)
    assert send_form(member, room, "Первое").status_code == 302
    answer = send_form(member, room, "Второе")
    assert (answer.status_code, answer["Retry-After"]) == (429, "30")
    page = answer.content.decode()
    assert ">Второе</textarea>" in page
    assert "Отправьте снова через 30 секунд." in page
    clock.move(30)
    assert send_form(member, room, "Второе").status_code == 302


def test_form_refused_in_a_hidden_room_shows_nothing_of_it(member, make_webinar):
    draft = make_webinar("draft")
    assert [send_form(member, draft, text).status_code for text in ("", "Да")] == [404, 404]
    group = member.person.membership.group
    group.permissions.remove(group.permissions.get(codename=Capability.ENTER_ROOM))
    assert [send_form(member, make_webinar("live"), text).status_code for text in ("", "Да")] == [403, 403]


def test_text_is_never_markup(member, room):
    text = "<script>alert(1)</script>&amp;\u202eоборот"
    answer = say(member, room, text)
    assert answer["Content-Type"] == "application/json"
    assert json.loads(answer.content)["text"] == "<script>alert(1)</script>&amp;оборот"


def test_flood_is_refused_without_the_database(as_role, room, clock, django_assert_num_queries):
    people = [as_role(Role.CANDIDATE) for _ in range(MAX_ACCEPTED_PER_SECOND)]
    assert not rate_limiter.is_busy(room.pk)
    for each in people:
        say(each, room)
    with django_assert_num_queries(0):
        assert rate_limiter.is_busy(room.pk)
    assert not rate_limiter.is_busy(room.pk + 1)
    clock.move(1)
    assert not rate_limiter.is_busy(room.pk)


def test_refused_message_gives_its_place_back(member, room, clock):
    for _ in range(MAX_ACCEPTED_PER_SECOND + 5):
        assert error(say(member, room, "example.ru")) == (403, "talk_links")
    assert say(member, room).status_code == 201


def test_message_that_is_sent_again_takes_no_place(as_role, room, clock):
    repeater, other, client_id = as_role(Role.CANDIDATE), as_role(Role.CANDIDATE), uuid4()
    answers = [
        say(repeater, room, client_id=client_id).status_code for _ in range(MAX_ACCEPTED_PER_SECOND + 5)
    ]
    assert answers == [201] + [200] * (MAX_ACCEPTED_PER_SECOND + 4)
    assert say(other, room).status_code == 201


def test_nobody_keeps_the_room_busy_alone(room, clock):
    with ExitStack() as stack:
        for _ in range(FAST_COUNT):
            stack.enter_context(rate_limiter.reserved(room.pk, 1))
        with pytest.raises(TooFast), rate_limiter.reserved(room.pk, 1):
            pass
        with rate_limiter.reserved(room.pk, 2):
            pass


def test_no_more_are_written_at_once_than_a_room_takes(room, clock):
    with ExitStack() as stack:
        for person in range(MAX_ACCEPTED_PER_SECOND):
            stack.enter_context(rate_limiter.reserved(room.pk, person))
        clock.move(5)  # the database is slow
        assert rate_limiter.is_busy(room.pk)
    assert not rate_limiter.is_busy(room.pk)
