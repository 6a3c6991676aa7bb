"""The lower rung: a smaller picture of the same times, which is left out rather than late."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from io import BytesIO
from uuid import uuid4

import av
import pytest

from efir.broadcast import lease, low_rung, media, media_retention
from efir.broadcast.lease import LeaseLost
from efir.broadcast.live import LiveBroadcast, has_low, playlist_of
from efir.broadcast.low_committer import LowCommitter
from efir.broadcast.low_encoder import BT709, UNSPECIFIED
from efir.broadcast.low_rung import LowRung
from efir.broadcast.models import LowSegment, Segment, SessionSource
from efir.broadcast.playlist import Rendition, read_listed, read_new
from efir.lib import metrics
from efir.ops.verify import media as verified_media
from efir.room.state import state_of
from efir.webinars import core
from tests.conftest import SYSTEM
from tests.support.low_encoding import WITHOUT_X264, encode_low
from tests.support.recorder import record
from tests.support.segmenting import cut


def segments_of(**options):
    return [each["init"] + each["media"] for each in cut(record("mp4", 3, **options)).segments]


def times(data: bytes, kind: str) -> list[tuple[float, float]]:
    with av.open(BytesIO(data)) as file:
        packets = [each for each in file.demux(getattr(file.streams, kind)[0]) if each.dts is not None]
        base = packets[0].time_base
    return sorted((float(each.pts * base), float(each.duration * base)) for each in packets)


def shown(data: bytes) -> list[tuple[int, int]]:
    with av.open(BytesIO(data)) as file:
        return [(frame.width, frame.height) for frame in file.decode(video=0)]


@pytest.mark.slow
@pytest.mark.parametrize(("b_frames", "audio"), [(0, "libopus"), (2, "aac")])
def test_smaller_picture_has_the_same_times_and_sound(b_frames, audio):
    segments = segments_of(size=(1280, 720), b_frames=b_frames, audio=audio)
    encoded = encode_low(segments)
    assert [kind for kind, _ in encoded] == ["segment"] * 3
    for full, (_, (init, fragment)) in zip(segments, encoded, strict=True):
        low = init + fragment
        assert shown(low) == [(640, 360)] * 30
        assert times(low, "audio") == times(full, "audio")
        pictures, whole = times(low, "video"), times(full, "video")
        assert [pts for pts, _ in pictures] == [pts for pts, _ in whole]
        assert sum(length for _, length in pictures) == pytest.approx(sum(length for _, length in whole))


def test_half_of_sixty_frames_is_kept_and_nothing_is_enlarged():
    (_, blobs), *_ = encode_low(segments_of(size=(320, 180), fps=60))
    assert set(shown(b"".join(blobs))) == {(320, 180)}
    assert len(shown(b"".join(blobs))) in (30, 31)


@pytest.mark.slow
def test_tall_picture_fits_and_another_size_goes_on():
    tall, wide = segments_of(size=(720, 1280)), segments_of(size=(1280, 720))
    encoded = [b"".join(blobs) for _, blobs in encode_low([tall[0], wide[0], wide[1]])]
    assert [shown(each)[0] for each in encoded] == [(202, 360), (640, 360), (640, 360)]


@pytest.mark.slow
@pytest.mark.parametrize(("size", "space"), [((1280, 720), BT709), ((320, 180), UNSPECIFIED)])
def test_encoded_colours_match_the_player_default(size, space):
    (_, blobs), *_ = encode_low(segments_of(size=size))
    with av.open(BytesIO(b"".join(blobs))) as file:
        frame = next(file.decode(video=0))
    assert {frame.colorspace, frame.color_primaries, frame.color_trc} == {space}


def test_segment_that_cannot_be_decoded_is_left_out():
    segments = segments_of()
    broken = segments[1][:2000] + bytes(len(segments[1]) - 2000)
    kinds = [kind for kind, _ in encode_low([segments[0], broken, b"nothing", segments[2]])]
    assert kinds == ["segment", "left_out", "left_out", "segment"]


def test_ffmpeg_without_x264_is_told():
    assert encode_low(segments_of(), WITHOUT_X264) == [("fault", [])]


@pytest.fixture
def store(tmp_path, monkeypatch):
    directory = media.DirectoryStore(tmp_path)
    monkeypatch.setattr(media, "store", lambda: directory)
    return directory


@pytest.fixture
def webinar(make_webinar):
    return make_webinar("live", video="own", player_url="")


@pytest.fixture
def allowed(settings):
    settings.EFIR = replace(settings.EFIR, low_rung=True)


@pytest.fixture
def full(webinar, store, clock):
    """Six segments of the full rung; the fifth begins after a discontinuity."""
    session = webinar.broadcast_sessions.create(source=SessionSource.RTMP)
    container = session.containers.create(first_n=0, kind="mp4", resume_n=0)
    made = []
    for number in range(6):
        names = [f"{webinar.pk}/{mark * 20}{number}.m4s" for mark in "si"]
        for name in names:
            store.save(name, b"x")
        made.append(
            Segment.objects.create(
                webinar=webinar,
                session=session,
                container=container,
                number=number,
                name=names[0],
                init=names[1],
                size=1,
                starts_at=clock.move(1),
                duration_s=1.0,
                media_start=float(number),
                frames=30,
                live_number=number,
                live_break=int(number >= 4),
                created_at=clock.moment,
            )
        )
    return made


def committer(webinar):
    holder = uuid4()
    return LowCommitter(webinar.pk, (webinar.pk, holder, lease.acquire(webinar.pk, holder)))


def lines(playlist: bytes, *marks: str) -> list[str]:
    return [line for line in playlist.decode().splitlines() if line.startswith(marks)]


@pytest.mark.django_db
def test_playlist_continues_after_a_dropped_segment(webinar, full, allowed):
    low = committer(webinar)
    for number in (0, 1, 3, 4, 5):
        low.commit(full[number], b"init", b"picture")
    assert list(LowSegment.objects.order_by("id").values_list("live_number", "live_break")) == [
        (0, 0),
        (1, 0),
        (2, 1),
        (3, 2),
        (4, 2),
    ]
    listed = playlist_of(webinar, Rendition.LOW)
    breaks = [line for line in lines(listed, "#EXTINF", "#EXT-X-DISC") if "SEQUENCE" not in line]
    assert [line[:7] for line in breaks] == [
        "#EXTINF",
        "#EXTINF",
        "#EXT-X-",
        "#EXTINF",
        "#EXT-X-",
        "#EXTINF",
        "#EXTINF",
    ]
    # The times of the full rung, also after a break.
    whole = playlist_of(webinar, Rendition.LIVE)
    dates = lines(listed, "#EXT-X-PROGRAM-DATE-TIME")
    assert [dates[0], dates[2]] == lines(whole, "#EXT-X-PROGRAM-DATE-TIME")
    assert lines(listed, "#EXTINF") == lines(whole, "#EXTINF")[1:]
    assert len(lines(listed, "#EXT-X-MAP")) == 3  # the same file again after each break
    # Memory knows the same as the database.
    live = LiveBroadcast()
    for segment in read_listed([webinar.pk], low=True):
        live.add_low(segment)
    assert live.playlist(Rendition.LOW) == listed
    assert len(read_new({webinar.pk: live.low_segments[-2].id}, low=True)) == 1


@pytest.mark.django_db
def test_playlist_and_state_only_where_the_operator_allows_it(webinar, full, settings):
    low = committer(webinar)
    low.commit(full[5], b"init", b"picture")
    assert playlist_of(webinar, Rendition.LOW) == b""
    assert "low" not in state_of(webinar, 1)
    settings.EFIR = replace(settings.EFIR, low_rung=True)
    assert b"#EXTINF" in playlist_of(webinar, Rendition.LOW)
    assert state_of(webinar, 1)["low"] is True
    core.core_webinar_set_status(webinar.pk, "stop", SYSTEM)
    webinar.refresh_from_db()
    assert playlist_of(webinar, Rendition.LOW) == b""
    assert state_of(webinar, 1)["low"] is False


@pytest.mark.django_db
def test_rung_that_stays_behind_is_not_offered(webinar, full, clock):
    assert not has_low(webinar)
    low = committer(webinar)
    low.commit(full[0], b"init", b"picture")
    assert has_low(webinar)
    live = LiveBroadcast()
    for segment in read_listed([webinar.pk]):
        live.add(segment)
    live.add_low(read_listed([webinar.pk], low=True)[0])
    assert live.has_low
    # A pause is no delay, and a burst that is being encoded is none either.
    clock.move(600)
    assert has_low(webinar)
    assert live.has_low
    LowSegment.objects.update(created_at=clock.moment)
    Segment.objects.filter(pk=full[5].pk).update(duration_s=20.0)
    live.add(replace(live.segments[-1], starts_at=clock.moment, duration_s=20.0))
    live.add_low(replace(live.low_segments[-1], created_at=clock.moment))
    assert has_low(webinar)
    assert live.has_low
    clock.move(11)
    assert not has_low(webinar)
    assert not live.has_low


@pytest.mark.django_db
def test_former_holder_commits_nothing_and_the_next_goes_on(webinar, full, store, clock):
    late = committer(webinar)
    late.commit(full[0], b"init", b"picture")
    clock.move(10)
    heir = committer(webinar)
    files = set(store.names())
    with pytest.raises(LeaseLost):
        late.commit(full[1], b"init", b"picture")
    assert set(store.names()) == files
    heir.commit(full[2], b"init", b"picture")
    assert list(LowSegment.objects.order_by("id").values_list("live_number", "live_break")) == [
        (0, 0),
        (1, 1),
    ]


@pytest.mark.django_db
def test_full_disk_leaves_no_row(webinar, full, store, monkeypatch):
    low = committer(webinar)
    monkeypatch.setattr(store, "free_bytes", lambda: 0)
    with pytest.raises(media.NoSpace):
        low.commit(full[0], b"init", b"picture")
    assert not LowSegment.objects.exists()


@pytest.mark.django_db
def test_lower_rung_is_deleted_soon_and_the_full_one_stays(webinar, full, store, clock):
    low = committer(webinar)
    for segment in full:
        low.commit(segment, b"init", b"picture")
    assert list(verified_media.notes()) == []
    clock.move(16 * 60)
    while media_retention.prune_media():
        pass
    # The last one says how the playlist goes on.
    assert [each.live_number for each in LowSegment.objects.all()] == [5]
    assert store.read(LowSegment.objects.get().init) == b"init"
    core.core_webinar_set_status(webinar.pk, "stop", SYSTEM)
    while media_retention.prune_media():
        pass
    assert not LowSegment.objects.exists()
    assert set(store.names()) == {name for each in full for name in (each.name, each.init)}
    assert Segment.objects.count() == 6


def encode_all(webinar, full, until) -> None:
    """Offer all segments to a worker's rung, and run it until this is true."""
    data = segments_of()[0]
    holder = uuid4()
    held = (webinar.pk, holder, lease.acquire(webinar.pk, holder))

    async def scenario() -> None:
        rung = LowRung(webinar.pk, held)
        running = asyncio.create_task(rung.run())
        for segment in full:
            rung.offer(segment, data)
        while not until(running):
            await asyncio.sleep(0.05)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(asyncio.wait_for(scenario(), 120))


def left_out() -> float:
    return metrics.BROADCAST_LEFT_OUT._value.get()


@pytest.mark.django_db(transaction=True)
def test_late_segments_are_left_out_together(webinar, full, monkeypatch):
    monkeypatch.setattr(low_rung, "LATE_S", -1.0)
    before = left_out()
    encode_all(webinar, full, lambda _: left_out() == before + len(full))
    assert not LowSegment.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_more_than_a_queue_holds_is_left_out(webinar, full, monkeypatch):
    monkeypatch.setattr(low_rung, "MAX_WAITING_BYTES", 1)
    before = left_out()
    encode_all(webinar, full, lambda _: left_out() == before + len(full))


@pytest.mark.django_db(transaction=True)
def test_rung_without_an_encoder_is_off(webinar, full, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("import av; av.codecs_available.discard('libx264')")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    encode_all(webinar, full, lambda running: running.done())
    assert not LowSegment.objects.exists()
