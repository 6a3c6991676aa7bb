"""Updates from Telegram and their effect on the link."""

from __future__ import annotations

import itertools

import pytest

from efir.accounts.models import Person
from efir.telegram import linking, updates
from efir.telegram.link_tokens import BotUnknown, chat_of
from efir.telegram.models import BotUpdate, DispatcherState, LinkToken, TelegramChat
from tests.support.telegram import (
    classified,
    link_from_session,
    linked,
    new_payload,
    states_of,
    with_accepted_bot,
    with_bot,
)

pytestmark = pytest.mark.django_db

CHAT = 900_000_000_001
_numbers = itertools.count(100)


@pytest.fixture(autouse=True)
def _bot(clock, settings):
    with_accepted_bot(settings, public_url="https://efir.example.org")


@pytest.fixture
def person(make_person):
    return make_person(name="Ева")


def said(text, chat_id=CHAT, kind="private"):
    """Process a message to the bot and return the answer."""
    message = {"message_id": 1, "date": 0, "chat": {"id": chat_id, "type": kind}, "from": {"id": chat_id}}
    return updates.process_update({"update_id": next(_numbers), "message": message | {"text": text}})


def pressed(data, chat_id=CHAT, kind="private"):
    """Process the press of a button and return the answer."""
    query = {
        "id": "1",
        "from": {"id": chat_id},
        "message": {"chat": {"id": chat_id, "type": kind}},
        "data": data,
    }
    return updates.process_update({"update_id": next(_numbers), "callback_query": query})


def became(status, chat_id=CHAT, kind="private"):
    membership = {"chat": {"id": chat_id, "type": kind}, "new_chat_member": {"status": status}}
    return updates.process_update({"update_id": next(_numbers), "my_chat_member": membership})


def token_for(person):
    return new_payload(person)


def test_link_fits_telegrams_rules(person):
    url = link_from_session(person)
    prefix, _, token = url.partition("?start=")
    assert prefix == "https://t.me/efir_test_bot"
    assert 1 <= len(token) <= 64
    assert token.replace("-", "").replace("_", "").isalnum()
    assert token.isascii()
    assert token not in str(LinkToken.objects.values().get())


def test_make_link_needs_a_bot(person):
    DispatcherState.objects.update(username="")
    with pytest.raises(BotUnknown):
        link_from_session(person)


def test_start_links_the_chat_and_releases_messages(person, make_webinar):
    classified(make_webinar("finished"), [person], "stayed_to_end")
    reply = said(f"/start {token_for(person)}")
    assert chat_of(person).chat_id == CHAT
    assert states_of(person) == {"candidate_followup": "queued"}
    assert "Готово, Ева!" in reply.text


@pytest.mark.parametrize("late", [False, True])
def test_token_works_once_and_for_15_minutes(clock, person, late):
    token = token_for(person)
    if late:
        clock.move(15 * 60)
    else:
        said(f"/start {token}", chat_id=CHAT + 1)
    reply = said(f"/start {token}")
    assert not TelegramChat.objects.filter(chat_id=CHAT).exists()
    assert reply.buttons[0][1] == "https://efir.example.org/account/"


def test_same_start_again_says_that_all_is_well(person):
    token = token_for(person)
    said(f"/start {token}")
    assert "Всё в порядке, Ева" in said(f"/start {token}").text


def test_linking_invalidates_other_links_of_the_person(person, make_person):
    seen_by_another, other = token_for(person), token_for(make_person())
    said(f"/start {token_for(person)}")
    said(f"/start {seen_by_another}", chat_id=CHAT + 1)
    assert chat_of(person).chat_id == CHAT
    assert "Готово" in said(f"/start {other}", chat_id=CHAT + 2).text


def test_address_without_a_dot_is_no_button(person, settings):
    with_bot(settings, public_url="http://127.0.0.1:8000")
    assert list(said("/start").composed().buttons) == [("Открыть аккаунт", "http://127.0.0.1:8000/account/")]
    with_bot(settings, public_url="http://localhost:8000")
    message = said("/start").composed()
    assert not message.buttons
    assert message.text.endswith("Открыть аккаунт: http://localhost:8000/account/")


def test_name_is_escaped(make_person):
    person = make_person(name="Ева <b>&")
    assert "Готово, Ева &lt;b&gt;&amp;!" in said(f"/start {token_for(person)}").text


def test_inactive_person_is_not_linked(person):
    token = token_for(person)
    Person.objects.filter(pk=person.pk).update(is_active=False)
    said(f"/start {token}")
    assert chat_of(person) is None


def test_new_chat_replaces_the_old_one(person):
    said(f"/start {token_for(person)}")
    said(f"/start {token_for(person)}", chat_id=CHAT + 1)
    assert chat_of(person).chat_id == CHAT + 1
    assert TelegramChat.objects.count() == 1


@pytest.fixture
def question(person, make_person):
    """The question in the person's chat after they opened a stranger's link."""
    said(f"/start {token_for(person)}")
    return said(f"/start {token_for(make_person(name='Чужой'))}")


def owner():
    return TelegramChat.objects.get(chat_id=CHAT).person.name


def test_linked_chat_is_asked_before_it_moves(question):
    assert owner() == "Ева"
    assert "«Ева»" in question.text
    assert "«Чужой»" in question.text
    assert [label for label, _ in question.choices] == ["Да, привязать", "Нет"]
    assert all(1 <= len(data.encode()) <= 64 for _, data in question.choices)


def test_chat_moves_after_a_yes(question, person):
    reply = pressed(question.choices[0][1])
    assert owner() == "Чужой"
    assert chat_of(person) is None
    assert "Готово, Чужой!" in reply.text
    assert "не действует" in pressed(question.choices[0][1]).text


def test_chat_stays_after_a_no(question):
    assert "ничего не изменилось" in pressed(question.choices[1][1]).text
    assert "не действует" in pressed(question.choices[0][1]).text
    assert owner() == "Ева"


@pytest.mark.parametrize(
    ("word", "name"), [("да", "Чужой"), ("Да!", "Чужой"), ("yes", "Чужой"), ("Нет.", "Ева")]
)
def test_yes_or_no_may_be_written(question, word, name):
    said(word)
    assert owner() == name


@pytest.mark.parametrize("word", ["", "да, конечно", "а кто это?", "/start", "1"])
def test_nothing_else_is_a_yes(question, word):
    said(word)
    assert owner() == "Ева"


def test_yes_without_a_question_moves_nothing(person, make_person):
    said(f"/start {token_for(person)}")
    token_for(make_person())
    assert said("да").seldom
    assert owner() == "Ева"


def test_yes_counts_for_the_latest_question_alone(question, make_person):
    later = said(f"/start {token_for(make_person(name='Ещё кто-то'))}")
    assert "не действует" in pressed(question.choices[0][1]).text
    assert owner() == "Ева"
    pressed(later.choices[0][1])
    assert owner() == "Ещё кто-то"


def test_yes_of_another_chat_moves_nothing(question):
    assert "не действует" in pressed(question.choices[0][1], chat_id=CHAT + 1).text
    assert pressed(question.choices[0][1], kind="group") is None
    assert owner() == "Ева"


def test_yes_comes_too_late(clock, question):
    clock.move(15 * 60)
    assert "не действует" in pressed(question.choices[0][1]).text
    assert owner() == "Ева"


@pytest.mark.parametrize("data", ["", "move", "move:1", "move::yes", "move:x:yes", "other:1:yes", None, 7])
def test_strange_press_moves_nothing(question, data):
    pressed(data)
    assert owner() == "Ева"


def test_two_people_swap_chats(person, make_person):
    other = make_person()
    said(f"/start {token_for(person)}", chat_id=1)
    said(f"/start {token_for(other)}", chat_id=2)
    said(f"/start {token_for(person)}", chat_id=2)
    said("да", chat_id=2)
    assert (chat_of(person).chat_id, chat_of(other)) == (2, None)


@pytest.mark.parametrize("text", ["/start", "/START", "/start@efir_test_bot", "привет", ""])
def test_any_message_makes_the_chat_reachable_again(person, make_webinar, text):
    chat = linked(person, reachable=False)
    classified(make_webinar("finished"), [person], "stayed_to_end")
    assert said(text, chat_id=chat.chat_id)
    assert chat_of(person).reachable
    assert states_of(person) == {"candidate_followup": "queued"}


def test_block_and_unblock(person, make_webinar):
    chat = linked(person)
    became("kicked", chat.chat_id)
    assert (chat_of(person).reachable, chat_of(person).unreachable_reason) == (False, "blocked")
    classified(make_webinar("finished"), [person], "stayed_to_end")
    assert states_of(person) == {"candidate_followup": "waiting_link"}
    became("member", chat.chat_id)
    assert (chat_of(person).reachable, chat_of(person).unreachable_reason) == (True, "")
    assert states_of(person) == {"candidate_followup": "queued"}


def test_stop_unlinks(person):
    chat = linked(person)
    assert "отвязан" in said("/stop", chat.chat_id).text
    assert chat_of(person) is None
    assert "ни к чему не привязан" in said("/stop", chat.chat_id).text


@pytest.mark.parametrize("text", ["/start", "/start nonsense", "/help", "Здравствуйте!"])
def test_stranger_is_answered_and_not_stored(text):
    reply = said(text)
    assert reply.chat_id == CHAT
    assert reply.buttons[0][1] == "https://efir.example.org/account/"
    assert not TelegramChat.objects.exists()
    assert str(CHAT) not in str(list(BotUpdate.objects.values()))


@pytest.mark.parametrize("kind", ["group", "supergroup", "channel"])
def test_groups_are_ignored(person, kind):
    assert said(f"/start {token_for(person)}", kind=kind) is None
    became("kicked", kind=kind)
    assert chat_of(person) is None


def test_update_is_processed_once(person):
    token, number = token_for(person), next(_numbers)
    message = {"chat": {"id": CHAT, "type": "private"}, "text": f"/start {token}"}
    assert updates.process_update({"update_id": number, "message": message}) is not None
    TelegramChat.objects.all().delete()
    LinkToken.objects.update(used_at=None)
    assert updates.process_update({"update_id": number, "message": message}) is None
    assert chat_of(person) is None


@pytest.mark.parametrize(
    "odd", [{}, {"message": {}}, {"message": 7}, {"my_chat_member": {"chat": None}}, {"poll": {"id": "1"}}]
)
def test_unexpected_update_does_not_block_the_next(odd):
    number = next(_numbers)
    assert updates.process_update({"update_id": number} | odd) is None
    assert updates.next_offset() == number + 1


def test_failed_update_is_processed_again(person, monkeypatch):
    token, before = token_for(person), updates.next_offset()
    update = {
        "update_id": next(_numbers),
        "message": {"chat": {"id": CHAT, "type": "private"}, "text": f"/start {token}"},
    }

    def broken(person):
        raise RuntimeError("the database has gone")

    with monkeypatch.context() as patch:
        patch.setattr(linking, "release_for_link", broken)
        with pytest.raises(RuntimeError):
            updates.process_update(update)
    assert updates.next_offset() == before
    assert updates.process_update(update)
    assert chat_of(person).chat_id == CHAT


def test_offset_expires_after_days_of_silence(clock):
    said("/start")
    assert updates.next_offset() is not None
    clock.move(6 * 24 * 3600)
    assert updates.next_offset() is None
