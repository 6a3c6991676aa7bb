"""Segments are committed with the progress, by the holder of the lease alone, and as long as the disk has room."""

from __future__ import annotations

from uuid import uuid4

import pytest

from efir.broadcast import ingest, lease, media
from efir.broadcast.child import ChildMessage
from efir.broadcast.committer import Committer, Input
from efir.broadcast.models import Chunk, Segment, SessionSource
from efir.webinars import core
from tests.conftest import SYSTEM
from tests.support.recorder import record
from tests.support.segmenting import cut

pytestmark = pytest.mark.django_db

CHUNKS = record(seconds=4)
BLOBS = ("init", "media", "audio_init", "audio_media", "header")


@pytest.fixture
def store(tmp_path, monkeypatch):
    directory = media.DirectoryStore(tmp_path)
    monkeypatch.setattr(media, "store", lambda: directory)
    return directory


class Work:
    """A session whose chunks have been given to the process, and what the process said."""

    def __init__(self, webinar):
        self.session = ingest.open_session(webinar.pk, None, source=SessionSource.RTMP)
        for n, chunk in enumerate(CHUNKS):
            ingest.accept_chunk(self.session.pk, n, chunk, webinar_id=webinar.pk, person=None)
        self.container = self.session.containers.create(first_n=0, kind="mp4", resume_n=0)
        self.input = Input(self.container)
        for chunk in Chunk.objects.order_by("n"):
            self.input.add(chunk.n, bytes(chunk.data), chunk.received_at)
        self.messages = [
            ChildMessage(segment, [segment.pop(name) for name in BLOBS]) for segment in cut(CHUNKS).segments
        ]


@pytest.fixture
def webinar(make_webinar):
    return make_webinar("live", video="own", player_url="")


@pytest.fixture
def work(webinar, store):
    return Work(webinar)


def committer(webinar):
    holder = uuid4()
    return Committer(webinar.pk, (webinar.pk, holder, lease.acquire(webinar.pk, holder)))


def test_chunks_go_when_everything_in_them_is_committed(webinar, work, store):
    committing = committer(webinar)
    left = []
    for message in work.messages:
        committing.commit(work.input, message)
        left.append(Chunk.objects.count())
    assert left == sorted(left, reverse=True)
    assert left[0] >= len(CHUNKS) - 2  # what the next segment needs is still there
    segments = list(Segment.objects.order_by("number"))
    assert sum(segment.frames for segment in segments) == 120
    assert [segment.live_number for segment in segments] == [0, 1, 2, 3]
    assert all(store.size(segment.name) == segment.size for segment in segments)
    committing.finish_container(work.container, len(CHUNKS))
    assert not Chunk.objects.exists()


def test_former_holder_commits_nothing_and_leaves_no_file(webinar, work, store, clock):
    late = committer(webinar)
    clock.move(10)
    committer(webinar)
    with pytest.raises(lease.LeaseLost):
        late.commit(work.input, work.messages[0])
    assert not Segment.objects.exists()
    assert len(list(store.names())) == 2  # the initialization segments, which retention takes


def test_broadcast_goes_on_while_the_disk_is_full(webinar, work, store, monkeypatch):
    committing = committer(webinar)
    committing.commit(work.input, work.messages[0])
    monkeypatch.setattr(store, "free_bytes", lambda: 0)
    committing.commit(work.input, work.messages[1])
    assert Segment.objects.count() == 1
    monkeypatch.setattr(store, "free_bytes", lambda: 2**30)
    committing.commit(work.input, work.messages[2])
    first, second = Segment.objects.order_by("number")
    assert (first.live_number, second.live_number) == (0, 1)
    # A player is told of the hole.
    assert second.discontinuity
    assert second.live_break == 1


# The clock stands: however slow the machine is, the pause begins before the last segment was recorded.
@pytest.mark.usefixtures("clock")
def test_nothing_is_listed_in_a_pause(webinar, work):
    committing = committer(webinar)
    committing.commit(work.input, work.messages[0])
    core.pause(webinar.pk, SYSTEM)
    committing.commit(work.input, work.messages[3])
    assert [segment.live_number for segment in Segment.objects.order_by("number")] == [0, None]
