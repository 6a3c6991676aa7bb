"""`efir broadcast`: the senders as JSON lines, and the key of media addresses."""

from __future__ import annotations

import json

import pytest

from efir.broadcast import ingest, media
from efir.broadcast.models import Container, SessionSource
from efir.lib import clock
from efir.ops.cli.main import main
from tests.support.segments import add_segment

pytestmark = pytest.mark.django_db


def printed(capsys, *words: str) -> list[dict]:
    assert main(["broadcast", *words]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def session(make_webinar):
    webinar = make_webinar("live", video="own", player_url="")
    session = ingest.open_session(webinar.pk, None, source=SessionSource.RTMP)
    container = Container.objects.create(session=session, first_n=0, kind="flv", resume_n=0)
    for number, live_number in enumerate((None, 0, 1)):
        add_segment(
            container, number, live_number=live_number, starts_at=clock.now(), frames=45, duration_s=1.5
        )
    return session


def test_each_sender_is_a_line(session, make_webinar, capsys):
    other = make_webinar(video="own", player_url="")
    ingest.open_session(other.pk, None, source=SessionSource.BROWSER)
    first, second = printed(capsys)
    assert list(first) == [
        *("webinar_id", "session", "source", "state", "width", "height", "kbps"),
        *("last_segment_at", "recorded_s"),
    ]
    # What came before the start is not recorded.
    assert (first["session"], first["source"], first["recorded_s"]) == (str(session.pk), "rtmp", 3.0)
    assert (second["webinar_id"], second["last_segment_at"], second["recorded_s"]) == (other.pk, None, 0.0)
    assert printed(capsys, str(session.webinar_id)) == [first]
    assert printed(capsys, "999999") == []


def test_media_key_is_what_a_proxy_checks_addresses_with(session, capsys):
    assert main(["broadcast", "--media-key"]) == 0
    assert capsys.readouterr().out == f"{media.signing_key()}\n"
