"""The speaker's queue: what it lists, in which order, and what is pressed there."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from efir.accounts.capabilities import Role
from efir.talk.models import Message
from efir.talk.moderation import mute
from efir.talk.queue import MOST
from efir.webinars.models import Talk
from tests.conftest import SYSTEM
from tests.support.questions import asked

pytestmark = pytest.mark.django_db


@pytest.fixture
def speaker(make_person):
    client = Client()
    client.force_login(make_person(Role.SPEAKER))
    return client


@pytest.fixture
def webinar(make_webinar):
    return make_webinar("live")


def queue(client, webinar, **query):
    answer = client.get(f"/admin_webinar/{webinar.pk}/talk/", query)
    return answer.status_code, answer.content.decode()


def listed(text):
    return re.findall(r'<p class="talk-said" dir="auto">([^<]*)</p>', text)


def test_unanswered_questions_come_first_newest_at_the_top(speaker, webinar, make_person, clock):
    author = make_person()
    asked(webinar, author, "Первый")
    asked(webinar, author, "Отвечен", answered_at=clock())
    asked(webinar, author, "Скрыт", state="hidden")
    asked(webinar, author, "Сообщение", kind="message")
    asked(webinar, author, "<b>Второй</b>", state="held")
    assert listed(queue(speaker, webinar)[1]) == ["&lt;b&gt;Второй&lt;/b&gt;", "Первый"]
    assert listed(queue(speaker, webinar, talk="answered")[1]) == ["Отвечен"]
    assert listed(queue(speaker, webinar, talk="held")[1]) == ["&lt;b&gt;Второй&lt;/b&gt;"]
    assert listed(queue(speaker, webinar, talk="newest")[1]) == [
        "&lt;b&gt;Второй&lt;/b&gt;",
        "Отвечен",
        "Первый",
    ]
    assert len(listed(queue(speaker, webinar, talk="messages")[1])) == 5
    numbers = re.findall(r"<dd>(\d+)</dd>", queue(speaker, webinar)[1])
    assert numbers == ["4", "1", "1"]


def test_long_queue_says_how_much_is_left(speaker, webinar, make_person):
    author = make_person()
    for number in range(MOST + 1):
        asked(webinar, author, f"Вопрос {number}")
    text = queue(speaker, webinar)[1]
    assert len(listed(text)) == MOST
    assert "Показаны 50 из 51." in text


def test_by_inviter_groups_the_questions(speaker, webinar, make_person):
    boris, anna = (make_person(Role.PARTNER, name=name) for name in ("Борис", "Анна"))
    for number, inviter in enumerate((boris, anna, None, boris)):
        asked(webinar, make_person(invited_by=inviter), f"Вопрос {number}")
    text = queue(speaker, webinar, talk="inviters")[1]
    assert re.findall(r"<h3>([^<]+)</h3>", text) == [
        "Кто пригласил: Анна",
        "Кто пригласил: Борис",
        "Без пригласившего",
    ]
    assert listed(text) == ["Вопрос 1", "Вопрос 3", "Вопрос 0", "Вопрос 2"]


def test_page_that_knows_the_last_change_gets_nothing(speaker, webinar, make_person):
    author = Client()
    author.force_login(make_person())
    sent = {"text": "Сколько?", "kind": "question", "client_id": "9b2f0a52-3c43-4f0a-9a59-0123456789ab"}
    assert author.post(f"/account/webinar_room/{webinar.pk}/messages", sent).status_code == 201
    status, text = queue(speaker, webinar, known="0")
    change = re.search(r'data-change="(\d+)"', text)[1]
    assert (status, queue(speaker, webinar, known=change)[0]) == (200, 204)
    assert "known" not in "".join(re.findall(r'href="([^"]*)"', text))


def test_buttons_work_without_a_script(speaker, webinar, make_person):
    question = asked(webinar, make_person(), "Сколько?")
    page = speaker.get(f"/admin_webinar/{webinar.pk}/", headers={"accept": "text/html"}).content.decode()
    action = re.search(r'action="(/admin_webinar/\d+/messages/\d+)"', page)[1]
    answer = speaker.post(action, {"action": "answer"}, headers={"accept": "text/html"})
    assert answer.url == f"/admin_webinar/{webinar.pk}/#talk-queue"
    question.refresh_from_db()
    assert question.answered_at


def test_muted_people_can_be_shown_again(speaker, webinar, make_person):
    author = make_person(name="Шумный")
    asked(webinar, author, "Спам")
    mute(webinar.pk, author.pk, True, SYSTEM)
    text = queue(speaker, webinar)[1]
    assert listed(text) == []
    assert "Чьи сообщения скрыты" in text
    speaker.post(f"/admin_webinar/{webinar.pk}/mute", {"person": author.pk, "on": "false"})
    assert not Message.objects.filter(muted=True).exists()


def test_pinned_words_are_in_the_page_however_old(webinar, make_person):
    asked(webinar, make_person(name="Анна"), "Закреплённое <слово>", kind="message", pinned=True)
    for number in range(35):
        asked(webinar, make_person(), f"Позже {number}", kind="message")
    viewer = Client()
    viewer.force_login(make_person())
    page = viewer.get(f"/account/webinar_room/{webinar.pk}/").content.decode()
    assert "Закреплённое &lt;слово&gt;" in page.split('id="talk-pinned"')[1].split('id="talk-log"')[0]
    assert "Закреплённое" not in page.split('id="talk-log"')[1]


def test_times_are_those_of_the_webinar_without_a_script(make_webinar, make_person, clock):
    webinar = make_webinar("live", time_zone="Asia/Vladivostok")
    message = asked(webinar, make_person(), "Который час?", at=clock())
    viewer = Client()
    viewer.force_login(make_person())
    page = viewer.get(f"/account/webinar_room/{webinar.pk}/").content.decode()
    shown = re.search(r'<time class="muted"[^>]*>([0-9:]+)</time>', page)[1]
    assert shown == f"{message.at.astimezone(webinar.zone):%H:%M}"


def test_page_has_no_queue_without_a_talk(speaker, make_webinar, make_person):
    webinar = make_webinar("live", talk=Talk.OFF)
    address = f"/admin_webinar/{webinar.pk}/"
    assert "talk-queue" not in speaker.get(address, headers={"accept": "text/html"}).content.decode()
    asked(webinar, make_person(), "Из прежнего разговора")
    assert "talk-queue" in speaker.get(address, headers={"accept": "text/html"}).content.decode()


class TestForm:
    def save(self, client, webinar, **fields):
        address = f"/admin_webinar/{webinar.pk}/"
        return client.post(address, fields, headers={"accept": "application/json"})

    def test_talk_is_changed_on_air(self, speaker, webinar):
        fields = {"talk": "questions", "talk_hold": "first", "talk_slow_s": "30", "talk_words": "раз\nдва"}
        assert self.save(speaker, webinar, **fields).status_code == 302
        webinar.refresh_from_db()
        assert (webinar.talk, webinar.talk_hold, webinar.talk_slow_s, webinar.talk_words) == (
            "questions",
            "first",
            30,
            "раз\nдва",
        )

    @pytest.mark.parametrize("fields", [{"talk_slow_s": "121"}, {"talk": "what"}, {"talk_hold": "some"}])
    def test_wrong_values_are_refused(self, speaker, webinar, fields):
        answer = self.save(speaker, webinar, **fields)
        assert (answer.status_code, list(answer.json()["fields"])) == (400, list(fields))

    def test_foreign_chat_needs_its_address(self, speaker, webinar):
        answer = self.save(speaker, webinar, talk="embed", chat_url="")
        assert (answer.status_code, list(answer.json()["fields"])) == (400, ["chat_url"])
        chat = "https://www.youtube.com/live_chat?v=abc"
        assert self.save(speaker, webinar, talk="embed", chat_url=chat).status_code == 302
        webinar.refresh_from_db()
        assert webinar.talk == "embed"
