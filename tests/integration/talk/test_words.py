"""What people write is text wherever it is shown: a table of odd texts, each looked for in every place."""

from __future__ import annotations

import csv
import html
import io
import json
import re

import pytest
from django.test import Client

from efir.accounts.capabilities import Role
from efir.attendance.report import csv_export
from efir.followup import texts as message_texts
from efir.ops.cli import listings
from efir.talk.delivery import _entry
from efir.talk.models import Message
from efir.telegram.models import Kind, OutboxMessage
from tests.conftest import SYSTEM, stop
from tests.integration.talk.test_messages import read, say, streamed_text
from tests.support.telegram import classified

pytestmark = pytest.mark.django_db

# Each text as it is sent, and as everybody reads it.
TEXTS = {
    "element": ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    "attribute": ("\"'><img src=x onerror=alert(1)>", "\"'><img src=x onerror=alert(1)>"),
    "entity": ("&lt;b&gt; &amp; &#60;", "&lt;b&gt; &amp; &#60;"),
    "end of the page": ("</p></li></ol></section>-->", "</p></li></ol></section>-->"),
    "event stream": ("data: {}\r\n\r\nevent: state", "data: {}\n\nevent: state"),
    "template": ("{{ 7 }}{% now %} %(name)s {0}", "{{ 7 }}{% now %} %(name)s {0}"),
    "Telegram": ("<b>*_`[x](tg://user?id=1)", None),  # refused: an address
    "address": ("https://example.org/", None),
    "script as an address": ("javascript:alert(1)", "javascript:alert(1)"),
    "formula": ("=1+1;@SUM(1)", "=1+1;@SUM(1)"),
    "override": ("\u202eоборот\u202c и \u2066дальше", "оборот и дальше"),
    "right to left": ("כמה זה עולה?", "כמה זה עולה?"),
    "marks": ("в" + "\u0301" * 400, "в" + "\u0301"),
    "longest": ("😀" * 500, "😀" * 500),
    "separators": ("раз\u2028два\u2029три\x00\x1b", "раз\nдва\nтри"),
}
SHOWN = {name: pair for name, pair in TEXTS.items() if pair[1] is not None}


@pytest.fixture
def partner(as_role):
    return as_role(Role.PARTNER)


@pytest.fixture
def lead(make_person, partner):
    client = Client()
    client.person = make_person(invited_by=partner.person)
    client.force_login(client.person)
    return client


@pytest.fixture
def speaker(as_role):
    return as_role(Role.SPEAKER)


@pytest.fixture
def room(make_webinar):
    return make_webinar("live")


def said(page: str, text: str) -> bool:
    """Return whether the page says this text as text, and has no element of it."""
    page = re.sub(r"\r\n?", "\n", page)
    return html.escape(text) in page and (text not in page or html.escape(text) == text)


@pytest.mark.parametrize("name", [name for name in TEXTS if name not in SHOWN])
def test_address_is_refused(lead, room, name):
    assert say(lead, room, TEXTS[name][0]).status_code == 403


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "shown"), SHOWN.values(), ids=SHOWN)
def test_text_is_text_everywhere(  # noqa: PLR0917  # fixtures
    lead, partner, speaker, as_role, room, sent, shown
):
    number = say(lead, room, sent, kind="question").json()["id"]
    assert [each["text"] for each in read(as_role(Role.CANDIDATE), room)] == [shown]
    entry = _entry(Message.objects.select_related("person").get())
    assert b"\n" not in entry.everybody  # or it would end the event of the stream
    assert json.loads(entry.everybody)["text"] == shown

    address = f"/account/webinar_room/{room.pk}/?mine=1"
    speaker.post(f"/admin_webinar/{room.pk}/messages/{number}", {"action": "pin"})
    page = lead.get(address).content.decode()
    assert page.count(html.escape(shown)) == 2  # in the list and pinned
    assert said(page, shown)
    assert "nofollow" not in page
    assert said(speaker.get(f"/admin_webinar/{room.pk}/talk/").content.decode(), shown)
    (line,) = listings.messages(room.pk)
    assert json.loads(json.dumps(line))["text"] == shown

    answer = speaker.get(f"/admin_webinar/{room.pk}/questions.csv")
    (row,) = csv.DictReader(io.StringIO(streamed_text(answer), newline=""), delimiter=";")
    assert row["Текст"] == csv_export.escape_formula(shown)

    stop(room.pk, SYSTEM)
    classified(room, [lead.person], "left_early")
    assert said(partner.get("/account/?show=asked").content.decode(), shown)
    assert said(partner.get(f"/account/candidates/{lead.person.pk}/").content.decode(), shown)
    message = message_texts.partner_attendance(OutboxMessage.objects.get(kind=Kind.PARTNER_ATTENDANCE))
    told = next(each for each in message.text.splitlines() if each.startswith("спросил: "))
    assert "<" not in told
    assert html.unescape(told)[9:50].strip("\u2068\u2069").startswith(" ".join(shown.split())[:20])


def test_formula_is_harmless_in_a_spreadsheet(lead, speaker, room):
    say(lead, room, SHOWN["formula"][0])
    assert ";\"'=1+1;'@SUM(1)\";" in streamed_text(speaker.get(f"/admin_webinar/{room.pk}/talk.csv"))


def test_link_of_the_speaker_is_one_link(lead, speaker, room):
    say(speaker, room, 'Вот (https://example.org/a?b=1&c=2"onclick="alert(1)), javascript:alert(1)')
    page = lead.get(f"/account/webinar_room/{room.pk}/?mine=1").content.decode()
    links = re.findall(r'<a [^>]*rel="nofollow noopener ugc"[^>]*>', page)
    assert links == [
        '<a href="https://example.org/a?b=1&amp;c=2" target="_blank" rel="nofollow noopener ugc">'
    ]
