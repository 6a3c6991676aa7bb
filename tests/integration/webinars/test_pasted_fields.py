"""Fields of a webinar as they are pasted: blank titles, direction marks, zones, players."""

from __future__ import annotations

import pytest
from django.test import Client

from efir.accounts.capabilities import Role
from efir.webinars.models import Webinar
from tests.conftest import logged_in

pytestmark = pytest.mark.django_db
BLANK = [
    "\u200b",
    "\u2060\u00ad",
    "\u3164",
    "\u2800",
    "\u200e\u200f",
    "\ufe0f",
    "\u034f",
    "\ufeff\u2028",
    "\uffa0 \u115f",
]


@pytest.fixture
def speaker(make_person):
    return logged_in(make_person(Role.SPEAKER))


def create(client: Client, **fields: str) -> Webinar | None:
    """Create a draft and return it, or None if the form is refused."""
    given = {"title": "Эфир", "time_zone": "Europe/Moscow", "length_min": "60"}
    client.post("/admin_webinar/new/", given | fields)
    return Webinar.objects.order_by("-pk").first()


@pytest.mark.parametrize("blank", BLANK)
def test_blank_title_is_refused(speaker, blank):
    assert create(speaker, title=blank) is None


@pytest.mark.parametrize("blank", BLANK)
def test_blank_labels_are_empty(speaker, blank):
    webinar = create(speaker, cta_text=blank, speaker_name=blank, description=blank)
    assert webinar is not None
    assert (webinar.cta_text, webinar.speaker_name, webinar.description) == ("", "", "")


@pytest.mark.parametrize(
    ("typed", "title"),
    [
        ("\u202eрифЭ", "рифЭ"),
        ("Эфир\r\nо главном", "Эфир о главном"),
        ("Эфир\u2028о главном", "Эфир о главном"),
        ("И\u0306ван", "Йван"),
        ("Й" + "\u0306" * 50, "Й\u0306"),
        ("A" + "\u20dd" * 20, "A\u20dd"),
        ("Thiện Nguyễn", "Thiện Nguyễn"),
        ("שָׁלוֹם มีนาคม मोहित", "שָׁלוֹם มีนาคม मोहित"),
    ],
)
def test_title_is_cleaned(speaker, typed, title):
    webinar = create(speaker, title=typed)
    assert webinar is not None
    assert webinar.title == title


def test_pile_of_marks_is_cut(speaker):
    webinar = create(speaker, title="З" + "".join(map(chr, range(0x300, 0x338))))
    assert webinar is not None
    assert len(webinar.title) <= 3


@pytest.mark.parametrize(
    "zone", ["localtime", "Factory", "posixrules", "posix/Europe/Moscow", "right/Europe/Moscow"]
)
def test_zone_of_no_place_is_refused(speaker, zone):
    assert create(speaker, time_zone=zone) is None


def test_pasted_values_are_cleaned(speaker):
    webinar = create(
        speaker,
        time_zone="\u200eEurope/Moscow\u200b",
        length_min="\u206890\u2069",
        starts_at="\u200e2031-05-06T19:00",
        player_url="\ufeffhttps://youtu.be/dQw4w9WgXcQ\u200b",
    )
    assert webinar is not None
    assert (webinar.time_zone, webinar.length_min) == ("Europe/Moscow", 90)
    assert webinar.player_url == "https://www.youtube.com/embed/dQw4w9WgXcQ"
    assert webinar.starts_at is not None
