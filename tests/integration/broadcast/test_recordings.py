"""What a recording consists of, who may play it, how long it is kept."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.test import Client

from efir.accounts.capabilities import Role
from efir.accounts.erasure import erase
from efir.broadcast import media, media_retention, recordings
from efir.broadcast.models import (
    BroadcastSession,
    Container,
    Recording,
    RecordingState,
    Segment,
    SessionSource,
    SessionState,
)
from efir.broadcast.recording_job import RecordingJob
from efir.broadcast.recording_links import personal_token, personal_url
from efir.broadcast.recording_parts import select_parts
from efir.hooks.actions import ActionRefused, Code
from efir.lib.concurrency import in_thread
from efir.ops.verify import media as verified_media
from efir.webinars import core
from tests.conftest import SYSTEM
from tests.support.segments import add_segment

BEGIN = datetime(2026, 11, 29, 16, 0, tzinfo=UTC)


def segment(
    at: float, *, length: float = 1.0, container: int = 1, media_start: float | None = None
) -> Segment:
    """A segment that begins `at` seconds after the start."""
    return Segment(
        container_id=container,
        init=f"init{container}",
        starts_at=BEGIN + timedelta(seconds=at),
        duration_s=length,
        media_start=at if media_start is None else media_start,
    )


def chosen(*segments: Segment, spans: list[tuple[float, float]]) -> list[float]:
    live = [(BEGIN + timedelta(seconds=begin), BEGIN + timedelta(seconds=end)) for begin, end in spans]
    parts = select_parts(segments, live)
    return [(each.starts_at - BEGIN).total_seconds() for each in parts.segments]


def test_recording_is_the_live_time_alone():
    every = [segment(at + 0.2) for at in range(-5, 30)]
    assert chosen(*every, spans=[(0, 5), (10, 12)]) == [0.2, 1.2, 2.2, 3.2, 4.2, 10.2, 11.2]


@pytest.mark.parametrize(
    ("at", "length", "is_in"),
    [(-0.4, 1, True), (-0.6, 1, False), (9.4, 1, True), (9.6, 1, False), (-3, 10, False), (0, 10, True)],
)
def test_at_most_half_a_second_lies_outside(at, length, is_in):
    assert bool(chosen(segment(at, length=length), spans=[(0, 10)])) is is_in


def test_missing_seconds_and_runs():
    segments = [segment(0), segment(1), segment(4), segment(5, container=2, media_start=0)]
    parts = select_parts(segments, [(BEGIN, BEGIN + timedelta(seconds=10))])
    assert (parts.seconds, parts.missing_s) == (4, 6)
    assert [len(run) for run in parts.runs] == [2, 1, 1]


@pytest.fixture
def own_store(settings, tmp_path):
    """A media store for this test alone."""
    settings.EFIR = replace(settings.EFIR, media_dir=tmp_path)
    media.store.cache_clear()
    yield
    media.store.cache_clear()


@pytest.fixture
def recorded(make_webinar, clock, own_store):
    """A finished webinar with three segments, one of them after the stop, and their files."""
    webinar = make_webinar(video="own", player_url="")
    core.core_webinar_set_status(webinar.pk, "start", SYSTEM)
    session = BroadcastSession.objects.create(webinar=webinar, source=SessionSource.BROWSER)
    container = Container.objects.create(session=session, first_n=0, kind="mp4", resume_n=0)
    began = core.pause(webinar.pk, SYSTEM).started_at
    core.resume(webinar.pk, SYSTEM)
    init = media.new_name(webinar.pk)
    media.store().save(init, b"init")
    for number in range(3):
        name = media.new_name(webinar.pk)
        media.store().save(name, b"segment")
        starts_at = began + timedelta(seconds=number)
        add_segment(container, number, name=name, init=init, size=7, starts_at=starts_at)
    clock.move(2)
    core.core_webinar_set_status(webinar.pk, "stop", SYSTEM)
    webinar.refresh_from_db()
    return webinar


def finish_sessions(webinar) -> None:
    BroadcastSession.objects.filter(webinar=webinar).update(state=SessionState.ENDED, finished=True)


def make_ready(webinar) -> Recording:
    finish_sessions(webinar)
    holder = uuid4()
    assert recordings.claim(webinar.pk, holder)
    name = media.new_name(webinar.pk, "mp4")
    media.store().save(name, b"0123456789")
    assert recordings.complete(webinar.pk, holder, seconds=2, missing_s=0, file=name, file_size=10)
    return Recording.objects.get(pk=webinar.pk)


def test_recording_is_due_when_nothing_more_can_come(recorded):
    assert recordings.summary(recorded) == {"state": "preparing", "seconds": 0, "url": None}
    # The last segment begins at the stop or after it, and the session is still open: the rest is there.
    assert recordings.due() == [recorded.pk]
    Segment.objects.filter(number=2).delete()
    assert recordings.due() == []
    finish_sessions(recorded)
    assert recordings.due() == [recorded.pk]


def test_one_worker_prepares_until_it_is_lost(recorded, clock):
    first, second = uuid4(), uuid4()
    assert recordings.claim(recorded.pk, first)
    assert not recordings.claim(recorded.pk, second)
    assert recordings.due() == []
    clock.move(recordings.CLAIM.total_seconds() + 1)
    assert recordings.claim(recorded.pk, second)
    assert not recordings.renew(recorded.pk, first)
    assert not recordings.complete(recorded.pk, first, seconds=1)
    assert recordings.complete(recorded.pk, second, seconds=2)
    assert recordings.summary(recorded)["state"] == "ready"


def test_recording_cannot_be_published_before_it_is_ready(recorded, as_role):
    speaker = as_role(Role.SPEAKER)
    address = f"/admin_webinar/{recorded.pk}/recording"
    answer = speaker.post(address, {"own": "true"}, headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (409, "webinar_recording_not_ready")
    with pytest.raises(ActionRefused) as refused:
        recordings.publish(999_999, SYSTEM)
    assert refused.value.code is Code.NOT_FOUND
    make_ready(recorded)
    answer = speaker.post(address, {"own": "true"}, headers={"Accept": "application/json"})
    assert answer.json() | {"state": "published", "seconds": 2} == answer.json()
    assert speaker.get(address).json()["state"] == "published"


def test_ticked_recording_publishes_itself(recorded):
    type(recorded)._base_manager.filter(pk=recorded.pk).update(auto_publish=True)
    recording = make_ready(recorded)
    recorded.refresh_from_db()
    assert recorded.recording_url == recordings.url_of(recording)


def test_page_is_private_and_plays_without_a_login(recorded):
    recording = make_ready(recorded)
    page = Client().get(recordings.path_of(recording))
    assert page.status_code == 200
    assert page["X-Robots-Tag"] == "noindex, nofollow"
    assert page["Referrer-Policy"] == "no-referrer"
    text = page.content.decode()
    assert '<meta name="robots" content="noindex, nofollow">' in text
    assert recorded.title in text
    assert 'href="/account/contacts/"' in text
    head = Client().head(f"{recordings.path_of(recording)}video.mp4")
    assert (head.status_code, head["Content-Length"]) == (200, "10")
    assert Client().get("/recordings/0000000000000000000000/").status_code == 404


def test_link_is_the_persons_own_and_ends_with_them(recorded, make_person):
    make_ready(recorded)
    recordings.publish(recorded.pk, SYSTEM)
    recorded.refresh_from_db()
    anna, boris = make_person(), make_person()
    own, other = personal_url(recorded, anna), personal_url(recorded, boris)
    assert own == personal_url(recorded, anna)
    assert len({own, other, recorded.recording_url}) == 3
    path = f"/recordings/{personal_token(recorded.pk, anna.pk)}/"
    assert own.endswith(path)
    assert Client().get(path).status_code == 200
    changed = path.replace(path[12], "A" if path[12] != "A" else "B", 1)
    assert Client().get(changed).status_code == 404
    erase(anna.pk, SYSTEM)
    assert Client().get(path).status_code == 404
    assert Client().get(f"/recordings/{personal_token(recorded.pk, boris.pk)}/").status_code == 200


def test_another_recordings_address_goes_to_everybody(recorded, make_person):
    core.publish_recording(recorded.pk, "https://rutube.ru/video/1/", SYSTEM)
    recorded.refresh_from_db()
    assert personal_url(recorded, make_person()) == "https://rutube.ru/video/1/"


def test_old_media_are_deleted_and_verify_agrees(recorded, clock, settings):
    recording = make_ready(recorded)
    recordings.publish(recorded.pk, SYSTEM)
    assert list(verified_media.issues()) == []
    settings.EFIR = replace(settings.EFIR, media_days=30)
    while media_retention.prune_media():
        pass
    # The segment after the stop is not part of the recording.
    assert Segment.objects.count() == 2
    assert list(verified_media.issues()) == []
    assert list(verified_media.notes()) == []
    clock.move(31 * 24 * 3600)
    while media_retention.prune_media():
        pass
    assert Segment.objects.count() == 0
    recording.refresh_from_db()
    recorded.refresh_from_db()
    assert (recording.state, recorded.recording_url) == (RecordingState.DELETED, "")
    assert not [name for name in media.store().names() if name.startswith(f"{recorded.pk}/")]
    gone = Client().get(recordings.path_of(recording))
    assert gone.status_code == 404
    assert "/account/contacts/" in gone.content.decode()
    assert recordings.summary(recorded)["state"] == "none"


def test_verify_finds_rows_without_files_and_files_without_rows(recorded):
    name = Segment.objects.get(number=0).name
    media.store().delete(name)
    media.store().save(media.new_name(recorded.pk), b"left behind")
    (issue,) = verified_media.issues()
    assert f"webinar={recorded.pk}: 1 of" in issue.line()
    finish_sessions(recorded)
    (note,) = verified_media.notes()
    assert f"webinar={recorded.pk}: 1 files without a webinar" in note


def run_recorder(until) -> None:
    """Run the worker's part until this is so."""

    async def scenario() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(RecordingJob().run(stop))
        async with asyncio.timeout(120):
            while not await in_thread(until):
                await asyncio.sleep(0.05)
        stop.set()
        await running

    asyncio.run(scenario())


@pytest.mark.django_db(transaction=True)
def test_full_disk_leaves_a_recording_without_a_file(recorded, monkeypatch):
    finish_sessions(recorded)
    monkeypatch.setattr(type(media.store()), "free_bytes", lambda _: 0)
    run_recorder(lambda: recordings.summary(recorded)["state"] == "ready")
    recording = Recording.objects.get(pk=recorded.pk)
    assert recording.file == ""
    assert Client().head(f"{recordings.path_of(recording)}video.mp4").status_code == 404
    assert Client().head(f"{recordings.path_of(recording)}video.m3u8").status_code == 200
    assert 'src="video.mp4"' not in Client().get(recordings.path_of(recording)).content.decode()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_segments_that_cannot_be_joined_play_as_hls(recorded):
    # The segments of this test are no video.
    finish_sessions(recorded)
    run_recorder(lambda: recordings.summary(recorded)["state"] == "ready")
    assert Recording.objects.get(pk=recorded.pk).file == ""
    assert not [name for name in media.store().names() if name.endswith(".mp4")]


@pytest.mark.django_db(transaction=True)
def test_rehearsal_alone_is_no_recording(recorded, as_role):
    """Everything came before the start: there is nothing to publish, and the files go."""
    earlier = recorded.started_at - timedelta(minutes=5)
    Segment.objects.update(starts_at=earlier)
    finish_sessions(recorded)
    run_recorder(lambda: recordings.summary(recorded)["state"] == "none")
    with pytest.raises(ActionRefused):
        recordings.publish(recorded.pk, SYSTEM)
    page = as_role(Role.SPEAKER).get(f"/admin_webinar/{recorded.pk}/").content.decode()
    assert "Записи эфира нет" in page
    while media_retention.prune_media():
        pass
    assert Segment.objects.count() == 0
    assert list(media.store().names()) == []
