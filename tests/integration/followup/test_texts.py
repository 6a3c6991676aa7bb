"""The texts of the messages."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.test import override_settings

from efir.accounts.capabilities import Role
from efir.attendance.models import Verdict
from efir.followup import digest, texts
from efir.lib import clock
from efir.room.cta import record_press
from efir.telegram.models import Kind, OutboxMessage
from efir.telegram.outbox import message_types
from efir.telegram.outbox.message_types import escape_line
from efir.webinars import core
from efir.webinars.models import Webinar
from tests.conftest import SYSTEM
from tests.support.questions import asked
from tests.support.telegram import classified

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
RECORDING = "https://video.example.org/watch?a=1&b=2"


@pytest.fixture(autouse=True)
def _public_address(settings):
    settings.EFIR = replace(settings.EFIR, public_url="https://efir.example.org")


@pytest.fixture
def told(make_person, make_webinar):
    """Classify a lead and return the message of a kind as it would be sent now."""

    def tell(kind, reason="no_show", *, present_s=0.0, name="Ева", title="Как начать", carry=False, **more):
        lead = make_person(name=name, invited_by=make_person(Role.PARTNER))
        webinar = make_webinar("finished", title=title)
        classified(webinar, [lead], reason, present_s, **more)
        core.publish_recording(webinar.pk, RECORDING, SYSTEM)
        kinds = [kind, Kind.CANDIDATE_RECORDING] if carry else [kind]
        messages = [OutboxMessage.objects.get(lead=lead, kind=each) for each in kinds]
        return lead, message_types.compose(messages)

    return tell


@pytest.mark.parametrize(
    ("reason", "present_s", "parts"),
    [
        ("stayed_to_end", 47 * 60, ["до самого конца", "В эфире: 47 "]),
        ("left_early", 60, ["раньше времени", "В эфире: 1 минута"]),
        ("left_early", 125, ["В эфире: 2 минуты"]),
        ("left_early", 20, ["меньше минуты"]),
        ("no_show", 0, ["забронировано, но входа в эфир не было"]),
    ],
)
def test_partner_message_says_who_why_and_how_long(told, reason, present_s, parts):
    lead, message = told(Kind.PARTNER_ATTENDANCE, reason, present_s=present_s)
    for part in ["Как начать", "<b>Ева</b>", *parts]:
        assert part in message.text
    assert [url for _, url in message.buttons] == [f"https://efir.example.org/account/candidates/{lead.pk}/"]


@pytest.mark.parametrize(
    ("reason", "watched_s", "live_s", "parts"),
    [
        ("watched_too_little", 720, 3600, ["просмотрено слишком мало", "Просмотр: 12 минут из 60"]),
        ("not_watched", 0, 3600, ["без просмотра", "Просмотр: 0 минут из 60"]),
        ("stayed_to_end", 61 * 60, 62 * 60, ["до самого конца", "Просмотр: 61 минута из 62"]),
        ("left_early", 123, 3600, ["раньше времени", "Просмотр: 2 минуты из 60"]),
        ("left_early", 20, 3600, ["Просмотр: 0 минут из 60"]),
        ("watched_too_little", 1799, 3600, ["Просмотр: 29 минут из 60"]),
        ("stayed_to_end", 1799.6, 3599.2, ["Просмотр: 30 минут из 60"]),
        ("no_show", 0, 12, ["Просмотр: 0 минут из 1"]),
    ],
)
def test_partner_message_says_how_much_was_watched(told, reason, watched_s, live_s, parts):
    _, message = told(Kind.PARTNER_ATTENDANCE, reason, present_s=3600, watched_s=watched_s, live_s=live_s)
    for part in parts:
        assert part in message.text
    assert "В эфире:" not in message.text


def test_partner_message_has_no_minutes_for_absent_lead(told):
    _, message = told(Kind.PARTNER_ATTENDANCE, "no_show")
    assert "В эфире" not in message.text


class TestCallBrief:
    @pytest.fixture
    def brief(self, make_person, make_webinar, clock):
        """Judge a lead of a webinar of an hour, whose button was shown from minute 30 on; return the text."""

        def tell(reason, seen, *, press=False, questions=(), language="ru"):
            lead = make_person(name="Ева", invited_by=make_person(Role.PARTNER))
            webinar = make_webinar("live")
            start = webinar.started_at
            clock.moment = start + 30 * MINUTE
            core.core_webinar_set_cta_visibility(webinar.pk, True, SYSTEM)
            if press:
                record_press(Webinar.objects.get(pk=webinar.pk), lead)
            clock.moment = start + 60 * MINUTE
            core.core_webinar_set_status(webinar.pk, "stop", SYSTEM)
            for text, minute, fields in questions:
                asked(webinar, lead, text, at=start + minute * MINUTE, **fields)
            classified(webinar, [lead], reason)
            spans = [[start + came * MINUTE, start + went * MINUTE] for came, went in seen]
            Verdict.objects.filter(lead=lead).update(
                intervals=[[each.isoformat() for each in span] for span in spans]
            )
            message = OutboxMessage.objects.get(lead=lead, kind=Kind.PARTNER_ATTENDANCE)
            with override_settings(LANGUAGE_CODE=language):
                return message_types.compose([message]).text

        return tell

    def test_says_when_the_lead_left_and_what_was_pressed_and_asked(self, brief):
        text = brief(
            "left_early",
            [(0, 42)],
            press=True,
            questions=[
                ("Сколько это <стоит>?", 41.5, {}),
                ("Уже отвечено", 10, {"answered_at": clock.now()}),
                ("Скрыто", 11, {"state": "hidden"}),
                ("От того, кого скрыли", 12, {"muted": True}),
                ("", 13, {}),
                ("Не вопрос", 14, {"kind": "message"}),
                ("ждёт проверки", 15, {"state": "held"}),
                ("До начала", -5, {}),
            ],
        )
        lines = text.splitlines()
        assert any(
            line.startswith("Выход: последний раз в эфире в") and line.endswith("оставалось 18 минут")
            for line in lines
        )
        assert "Кнопка связи нажата" in lines
        assert [line for line in lines if line.startswith("спросил: ")] == [
            "спросил: Сколько это &lt;стоит&gt;? (минута 41)",
            "спросил: ждёт проверки (минута 15)",
            "спросил: До начала (до начала)",
        ]
        assert lines[-1] == "Начните разговор с ответа: на эфире его не было."

    def test_button_that_the_lead_never_saw_is_not_mentioned(self, brief):
        assert "Кнопка связи" not in brief("left_early", [(0, 20)])
        assert "Кнопка связи" not in brief("no_show", [])
        assert "Кнопка связи не нажата" in brief("left_early", [(0, 40)])

    def test_lead_who_stayed_has_no_leaving_time(self, brief):
        assert "Выход" not in brief("stayed_to_end", [(0, 59.5)])
        assert "Выход" not in brief("decided_by_admin", [(0, 59.5)])
        assert "оставалось 10 минут" in brief("decided_by_admin", [(0, 50)])

    def test_text_follows_the_language(self, brief):
        text = brief("left_early", [(0, 42)], press=True, questions=[("Сколько?", 41, {})], language="en")
        assert not re.search(
            "[а-яё]", text.replace("Ева", "").replace("Сколько", "").replace("Как начать", "")
        )

    def test_right_to_left_question_is_isolated(self, brief):
        assert "спросил: \u2068כמה זה עולה?\u2069 (минута 1)" in brief(
            "stayed_to_end", [(0, 60)], questions=[("כמה זה עולה?", 1, {})]
        )

    def test_longest_questions_fit(self, brief):
        text = brief(
            "stayed_to_end",
            [(0, 60)],
            press=True,
            questions=[("🎈&" * 250, minute, {}) for minute in range(5)],
        )
        assert "и ещё вопросов: 2" in text
        assert message_types.OutgoingMessage(text).length <= message_types.MAX_TEXT


@pytest.mark.parametrize(("attended", "part"), [(True, "участие засчитано"), (False, "участие не засчитано")])
def test_partner_message_says_that_an_admin_decided(told, attended, part):
    lead, _ = told(Kind.PARTNER_ATTENDANCE)
    Verdict.objects.filter(lead=lead).update(reason="decided_by_admin", attended=attended)
    message = texts.partner_attendance(OutboxMessage.objects.get(lead=lead, kind=Kind.PARTNER_ATTENDANCE))
    assert part in message.text
    assert "решение администратора" in message.text


@pytest.mark.parametrize(
    ("reason", "part"),
    [
        ("stayed_to_end", "спасибо"),
        ("left_early", "остаться до конца"),
        ("watched_too_little", "не получилось посмотреть"),
        ("not_watched", "не получилось посмотреть"),
        ("no_show", "не удалось встретиться"),
    ],
)
def test_follow_up_depends_on_the_verdict(told, reason, part):
    _, message = told(Kind.CANDIDATE_FOLLOWUP, reason)
    assert part in message.text
    assert [url for _, url in message.buttons] == ["https://efir.example.org/account/contacts/"]


@pytest.mark.parametrize(
    ("reason", "watched_s", "is_told"),
    [
        ("watched_too_little", 720, True),
        ("left_early", 720, True),
        ("not_watched", 0, False),
        ("no_show", 0, False),
    ],
)
def test_follow_up_says_how_much_was_watched(told, reason, watched_s, is_told):
    _, message = told(Kind.CANDIDATE_FOLLOWUP, reason, present_s=3600, watched_s=watched_s, live_s=3600)
    assert ("Просмотр: 12 минут из 60" in message.text) == is_told
    assert ("Просмотр:" in message.text) == is_told


def test_recording_is_a_button(told):
    _, message = told(Kind.CANDIDATE_RECORDING)
    assert [url for _, url in message.buttons] == [RECORDING]
    assert "запись вебинара «Как начать» готова" in message.text


def test_follow_up_carries_the_recording(told):
    _, message = told(Kind.CANDIDATE_FOLLOWUP, carry=True)
    assert "не удалось встретиться" in message.text
    assert "Запись уже готова" in message.text
    assert [url for _, url in message.buttons] == [RECORDING, "https://efir.example.org/account/contacts/"]


def test_names_and_titles_are_escaped(told):
    _, message = told(Kind.PARTNER_ATTENDANCE, name="<b>Ева</b> & Ко", title="5 < 6 <script>")
    assert "&lt;b&gt;Ева&lt;/b&gt; &amp; Ко" in message.text
    assert "5 &lt; 6 &lt;script&gt;" in message.text
    assert message.text.count("<") == 2  # our own bold


def test_percent_signs_in_names_are_kept(told):
    _, message = told(Kind.CANDIDATE_FOLLOWUP, name="100%(title)s %d", title="50% %s")
    assert "100%(title)s %d" in message.text
    assert "50% %s" in message.text


@pytest.mark.parametrize("kind", [Kind.PARTNER_ATTENDANCE, Kind.CANDIDATE_FOLLOWUP, Kind.CANDIDATE_RECORDING])
def test_longest_names_fit_and_keep_entities_whole(told, kind):
    _, message = told(kind, name="&" * 150, title="<" * 200)
    shown = html.unescape(message.text)
    assert len(shown) <= 4096
    assert "&a…" not in message.text
    assert "&l…" not in message.text


def test_title_is_cut_before_it_is_escaped():
    assert escape_line("&" * 10, 4) == "&amp;&amp;&amp;…"
    assert escape_line("две\nстроки", 20) == "две строки"


@pytest.fixture
def listed(make_person, make_webinar):
    """Classify candidates of one inviter and return the message that lists them."""

    def tell(*verdicts, title="Как начать"):
        inviter, webinar = make_person(Role.PARTNER), make_webinar("finished", title=title)
        for name, reason, present_s in verdicts:
            classified(webinar, [make_person(name=name, invited_by=inviter)], reason, present_s)
        messages = OutboxMessage.objects.filter(person=inviter)
        return digest.partner_attendance(digest.sort_for_calling(list(messages)))

    return tell


def test_list_has_one_line_per_lead(listed):
    message = listed(
        ("Без входа", "no_show", 0),
        ("Недолго", "left_early", 20),
        ("Дольше", "left_early", 125),
        ("До конца", "stayed_to_end", 47 * 60),
    )
    lines = message.text.splitlines()
    assert lines[1] == "Ваши кандидаты: участие засчитано — 1, не засчитано — 3."
    assert "кому лучше позвонить раньше" in lines[2]
    assert lines[4:8] == [
        "✅ <b>До конца</b> — до конца, 47 минут",
        "• Дольше — выход раньше времени, 2 минуты",
        "• Недолго — выход раньше времени, меньше минуты",
        "• Без входа — без входа в эфир",
    ]
    assert "впечатления свежи" in message.text
    assert [url for _, url in message.buttons] == [
        "https://efir.example.org/account/?show=attended#candidates"
    ]


def test_list_without_attended_says_what_to_do(listed):
    message = listed(("Ева", "no_show", 0), ("Ада", "no_show", 0))
    assert "впечатления свежи" not in message.text
    assert "Хороший повод написать" in message.text


def test_names_in_a_list_are_escaped(listed):
    message = listed(("<b>Ева", "stayed_to_end", 60), ("%(x)s & Ко", "no_show", 0), title="5 < 6")
    assert "«5 &lt; 6»" in message.text
    assert "<b>&lt;b&gt;Ева</b>" in message.text
    assert "%(x)s &amp; Ко" in message.text
