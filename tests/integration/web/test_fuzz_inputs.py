"""Random addresses, forms, codes and bot updates are accepted or refused, never a failure."""

from __future__ import annotations

from itertools import count
from urllib.parse import urlsplit

import pytest
from django.conf import settings as efir
from django.core.exceptions import ValidationError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from efir.accounts.capabilities import Role
from efir.accounts.referral import valid_inviter
from efir.telegram import updates
from efir.telegram.models import TelegramChat
from efir.webinars.embeds import clean_chat_url, clean_player_url, is_hls
from efir.webinars.forms import WebinarForm
from tests.support.telegram import held, with_bot

beside_fixtures = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])

PIECES = [
    *(
        "https://",
        "http://",
        "//",
        "javascript:",
        "data:",
        "https:/",
        "HTTPS://",
        "\\",
        "@",
        ":",
        ":443",
        ":0",
    ),
    *("www.youtube.com", "youtu.be", "vk.com", "rutube.ru", "kinescope.io", "vimeo.com", "evil.example.org"),
    *(
        "/embed/",
        "/watch?v=",
        "dQw4w9WgXcQ",
        "/video-1_2",
        "?t=1h",
        "#",
        "&",
        "%2F",
        "%00",
        "..",
        "[::1]",
        "xn--",
    ),
    *(
        '<iframe src="',
        "<iframe src='",
        '"',
        "'",
        "></iframe>",
        "&amp;",
        "&#106;",
        " ",
        "\n",
        "\t",
        "\0",
        ".m3u8",
    ),
]
PASTED = st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=12).map("".join)
NUMBERS = count(1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
CHATS = st.fixed_dictionaries(
    {"id": st.integers() | st.just(7001) | JSON}, optional={"type": st.just("private") | JSON}
)
SAID = st.sampled_from(["/start", "/start ", "/START@bot x", "/stop", "/", "hi", "Да!", "нет"]) | st.text(
    max_size=80
)
PRESSED = st.sampled_from(["move:1:yes", "move:0:no", "move::", "move:1", "move:\0:yes", ":"]) | st.text(
    max_size=20
)
UPDATES = st.fixed_dictionaries(
    {},
    optional={
        "message": st.fixed_dictionaries({}, optional={"chat": CHATS | JSON, "text": SAID | JSON}) | JSON,
        "my_chat_member": st.fixed_dictionaries(
            {}, optional={"chat": CHATS | JSON, "new_chat_member": st.dictionaries(st.just("status"), JSON)}
        )
        | JSON,
        "callback_query": st.fixed_dictionaries(
            {},
            optional={
                "id": st.text(max_size=8) | JSON,
                "data": PRESSED | JSON,
                "message": st.fixed_dictionaries({}, optional={"chat": CHATS | JSON}) | JSON,
            },
        )
        | JSON,
    },
)


@given(PASTED)
@example("https://www.youtube.com@evil.example.org/embed/x")
@example('<iframe src="&#106;avascript:alert(1)">')
@pytest.mark.parametrize("reader", [clean_player_url, clean_chat_url])
def test_only_allowed_providers_are_framed(reader, pasted):
    try:
        address = reader(pasted)
    except ValidationError:
        return
    if not address or address.startswith(efir.OWN_FRAMES) or is_hls(address):
        return
    parts = urlsplit(address)
    assert (parts.scheme, parts.username, parts.hostname in efir.FRAME_HOSTS) == ("https", None, True)
    assert not set(address) & set("<>\"'\\ \0\n\t")


@pytest.fixture
def bot(db, settings, clock):
    """Give the installation a bot whose lease is held."""
    with_bot(settings)
    held()


@pytest.mark.slow
@beside_fixtures
@given(UPDATES)
@example({"message": {"chat": {"id": 10**30, "type": "private"}, "text": "/start \0"}})
def test_any_update_is_processed(bot, update):
    number = next(NUMBERS)
    updates.process_update({"update_id": number, **update})
    assert updates.next_offset() == number + 1
    assert not TelegramChat.objects.exists()


@pytest.mark.django_db
@beside_fixtures
@given(
    st.text(max_size=30)
    | st.from_regex(
        r"[0-9]{1,5}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}([+-][0-9]{2}:[0-9]{2}|Z)?", fullmatch=True
    )
    | st.datetimes().map(lambda moment: moment.isoformat()),
    st.sampled_from(["Europe/Moscow", "Pacific/Apia", "UTC", "../etc/passwd", "\0", "Etc/GMT+12"])
    | st.text(max_size=20),
)
def test_start_time_is_valid_or_refused_at_its_field(starts_at, time_zone):
    data = {"title": "Эфир", "starts_at": starts_at, "time_zone": time_zone}
    form = WebinarForm(data, None, None, technical=False)
    if form.is_valid():
        moment = form.changes()["starts_at"]
        assert moment is None or (moment.tzinfo and 2000 <= moment.year <= 2100)
    else:
        assert set(form.errors) <= {"starts_at", "time_zone"}


@pytest.mark.django_db
@beside_fixtures
@given(st.text(max_size=40))
@example("\0")
@example("İ")  # longer in lower case
def test_any_referral_code_is_looked_up(make_person, code):
    assert valid_inviter(code) is None
    partner = make_person(Role.PARTNER)
    assert valid_inviter(f" {partner.ref_code.upper()} ") == partner
