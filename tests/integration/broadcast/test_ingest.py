"""Sessions and chunks: who may send, in which order, and for how long."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from efir.accounts.capabilities import Role
from efir.broadcast import ingest, lease, media
from efir.broadcast.ingest import BroadcastRefused, accept_chunk, end_session, end_stale
from efir.broadcast.models import BroadcastSession, Chunk, SessionSource, SessionState
from efir.broadcast.playlist import media_playlist, read_listed, read_new, window
from tests.conftest import SYSTEM, stop
from tests.support.recorder import record
from tests.support.segments import add_segment

pytestmark = pytest.mark.django_db

CHUNKS = record(seconds=1)


@pytest.fixture
def webinar(make_webinar):
    return make_webinar("live", video="own", player_url="")


@pytest.fixture
def speaker(make_person):
    return make_person(Role.SPEAKER)


def opened(webinar, person, **more):
    return ingest.open_session(webinar.pk, person, source=SessionSource.BROWSER, **more)


def put(session, n, data):
    accept_chunk(session.pk, n, data, webinar_id=session.webinar_id, person=session.person)


def refusal(action, *args, **kwargs):
    with pytest.raises(BroadcastRefused) as refused:
        action(*args, **kwargs)
    return refused.value.code.value


def test_accepted_chunk_again_changes_nothing(webinar, speaker):
    session = opened(webinar, speaker)
    put(session, 0, CHUNKS[0])
    put(session, 0, b"other bytes")
    assert bytes(Chunk.objects.get().data) == CHUNKS[0]
    assert refusal(put, session, 2, CHUNKS[1]) == "broadcast_gap"


def test_silent_sender_is_superseded_unasked(webinar, speaker, make_person, clock):
    first, other = opened(webinar, speaker, device="a"), make_person(Role.SPEAKER)
    assert refusal(opened, webinar, other, device="b") == "broadcast_taken"
    assert refusal(opened, webinar, speaker, device="b") == "broadcast_taken"
    clock.move(61)
    opened(webinar, other, device="b")
    assert refusal(put, first, 0, CHUNKS[0]) == "broadcast_superseded"


def test_same_browser_takes_over_its_own_session(webinar, speaker):
    first = opened(webinar, speaker, device="a")
    opened(webinar, speaker, device="a")
    first.refresh_from_db()
    assert first.state == SessionState.SUPERSEDED


def test_chunks_are_taken_for_a_minute_after_the_stop(webinar, speaker, clock):
    session = opened(webinar, speaker)
    stop(webinar.pk, SYSTEM)
    clock.move(60)
    put(session, 0, CHUNKS[0])
    end_stale(webinar.pk)
    clock.move(1)
    assert refusal(put, session, 1, CHUNKS[1]) == "broadcast_over"
    end_stale(webinar.pk)
    session.refresh_from_db()
    assert session.state == SessionState.ENDED


def test_abandoned_session_ends(webinar, speaker, clock):
    session = opened(webinar, speaker)
    clock.move(29 * 60)
    end_stale(webinar.pk)
    put(session, 0, CHUNKS[0])
    clock.move(31 * 60)
    end_stale(webinar.pk)
    assert refusal(put, session, 1, CHUNKS[1]) == "broadcast_over"


def test_only_the_opener_may_send_and_end(webinar, speaker, make_person):
    session, other = opened(webinar, speaker), make_person(Role.ADMIN)
    for action, arguments in ((accept_chunk, (session.pk, 0, CHUNKS[0])), (end_session, (session.pk,))):
        assert refusal(action, *arguments, webinar_id=webinar.pk, person=other) == "broadcast_unknown"


def test_broadcast_needs_room_on_the_disk(webinar, speaker, monkeypatch):
    full = SimpleNamespace(free=media.RESERVED_BYTES + 1000)
    monkeypatch.setattr(media.shutil, "disk_usage", lambda _: full)
    assert refusal(opened, webinar, speaker) == "broadcast_no_space"


def test_fault_is_told_with_the_next_chunk_until_a_container_begins(webinar, speaker):
    session = opened(webinar, speaker)
    put(session, 0, CHUNKS[0])
    BroadcastSession.objects.update(fault="times")
    assert refusal(put, session, 1, CHUNKS[1]) == "broadcast_unreadable"
    put(session, 1, CHUNKS[0])


@pytest.mark.parametrize("codec", [b"V_VP8", b"V_VP9", b"hvc1"])
def test_codec_that_is_not_taken_is_refused_at_once(webinar, speaker, codec):
    session = opened(webinar, speaker)
    assert refusal(put, session, 0, b"\x1a\x45\xdf\xa3" + bytes(40) + codec) == "broadcast_unreadable"


def test_lease_has_one_holder_and_a_growing_term(webinar, clock):
    from uuid import uuid4

    first, second = uuid4(), uuid4()
    term = lease.acquire(webinar.pk, first)
    assert term == 1
    assert lease.acquire(webinar.pk, second) is None
    clock.move(2)
    lease.renew(webinar.pk, first, term)
    clock.move(2)
    assert lease.acquire(webinar.pk, second) is None
    clock.move(2)
    assert lease.acquire(webinar.pk, second) == 2
    for late in (lease.renew, lease.check):
        with pytest.raises(lease.LeaseLost):
            late(webinar.pk, first, term)


def test_playlist_lists_the_last_minute(webinar, speaker, clock):
    session = opened(webinar, speaker)
    container = session.containers.create(first_n=0, kind="mp4", resume_n=0)
    for number in range(100):
        live = {"live_number": number, "live_break": int(number >= 80)}
        add_segment(container, number, starts_at=clock.move(1), **live)
    listed = window(read_listed([webinar.pk]))
    assert [segment.live_number for segment in listed] == list(range(40, 100))
    text = media_playlist(listed)
    assert "#EXT-X-MEDIA-SEQUENCE:40\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n" in text
    assert text.count("#EXT-X-DISCONTINUITY\n") == 1
    assert text.count("#EXT-X-PROGRAM-DATE-TIME") == 2
    assert len(read_new({webinar.pk: listed[-3].id, webinar.pk + 1: 0})) == 2
