"""From the stop of a webinar to its recording, beside a plain copy of the same bytes; and the processor it takes."""

from __future__ import annotations

import asyncio
import logging
import resource
import time
from datetime import timedelta

from django.core.management import call_command

from benchmarks.fragments import shifted, timescales
from benchmarks.people import SYSTEM
from benchmarks.tables import table, warn
from efir.broadcast import media, recordings
from efir.broadcast.cutter import CutSegment, Cutter
from efir.broadcast.models import BroadcastSession, Container, Recording, Segment, SessionSource, SessionState
from efir.broadcast.recording_job import RecordingJob
from efir.lib import clock
from efir.webinars import core
from efir.webinars.models import Webinar
from tests.support.recorder import container

HOURS = 1.0
MAX_S = 60.0
# So much is encoded; its segments are stored again and again with later times.
ENCODED_S = 30
BIT_RATE = 1_500_000


def main(_option: str = "--hours", hours: str = str(HOURS)) -> None:
    """Print the table for a recording of this many hours."""
    logging.disable(logging.CRITICAL)
    call_command("migrate", verbosity=0)
    webinar, size = broadcast(float(hours) * 3600)
    copying = time_copy(webinar)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    asyncio.run(prepare(webinar))
    took = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    recording = Recording.objects.get(pk=webinar.pk)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    rows = [
        ("stop → recording can be played, s", f"{took:.1f}"),
        ("reading and writing the same bytes, s", f"{copying:.1f}"),
        ("processor of the joining process, s", f"{cpu:.1f}"),
        ("its memory, MB", f"{after.ru_maxrss / 1024:.0f}"),
        ("seconds of the recording", f"{recording.seconds:,.0f}"),
        ("segments, MB", f"{size / 1e6:,.0f}"),
        ("MP4, MB", f"{recording.file_size / 1e6:,.0f}"),
    ]
    table(f"A recording of {float(hours):g} h, 720p30", ["", "measured"], rows)
    if took > MAX_S * max(1.0, float(hours)):
        warn(f"the recording took {took:.0f} s, not {MAX_S:.0f} s for an hour")
    if not recording.file or recording.missing_s > 1:
        warn(f"the recording lacks something: {recording.missing_s:.1f} s, file {recording.file!r}")


async def prepare(webinar: Webinar) -> None:
    """Let the worker's part run until the recording is ready."""
    stop = asyncio.Event()
    running = asyncio.create_task(RecordingJob().run(stop))
    while (await asyncio.to_thread(recordings.summary, webinar))["state"] != "ready":
        await asyncio.sleep(0.05)
    stop.set()
    await running


def broadcast(seconds: float) -> tuple[Webinar, int]:
    """Store a finished webinar with segments of a second; return it and their bytes."""
    webinar = core.create({"title": "An hour", "starts_at": clock.now()}, SYSTEM)
    core.publish(webinar.pk, SYSTEM)
    began_at = core.core_webinar_set_status(webinar.pk, "start", SYSTEM).started_at or clock.now()
    session = BroadcastSession.objects.create(
        webinar=webinar, source=SessionSource.BROWSER, state=SessionState.ENDED, finished=True
    )
    kept = Container.objects.create(session=session, first_n=0, kind="mp4", resume_n=0)
    encoded = cut()
    init, scales = store(webinar.pk, encoded[0].init), timescales(encoded[0].init)
    rows, size = [], 0
    for number in range(round(seconds)):
        turn, each = divmod(number, len(encoded))
        data = shifted(encoded[each].media, turn * len(encoded), scales)
        size += len(data)
        rows.append(
            Segment(
                webinar=webinar,
                session=session,
                container=kept,
                number=number,
                name=store(webinar.pk, data),
                init=init,
                size=len(data),
                starts_at=began_at + timedelta(seconds=number),
                duration_s=1,
                media_start=number,
                frames=30,
            )
        )
    Segment.objects.bulk_create(rows, batch_size=500)
    with clock.replaced(lambda: began_at + timedelta(seconds=seconds)):
        return core.core_webinar_set_status(webinar.pk, "stop", SYSTEM), size


def cut() -> list[CutSegment]:
    """Return segments of a second of a noisy picture with sound."""
    data = container("mp4", ENCODED_S, size=(1280, 720), audio="aac", bit_rate=BIT_RATE)
    segments: list[CutSegment] = []

    class Reading:
        def __init__(self) -> None:
            self.at = 0

        def read(self, size: int) -> bytes:
            taken = data[self.at : self.at + size]
            self.at += len(taken)
            return taken

    source = Reading()
    Cutter(source, "mp4", 1.0, segments.append, position=lambda: source.at).run()
    return [each for each in segments if each.frames == 30]


def store(webinar_id: int, content: bytes) -> str:
    """Write a file without forcing it to the disk, as thousands of them are made at once here."""
    name = media.new_name(webinar_id)
    path = media.scratch_file(name)
    path.write_bytes(content)
    path.rename(path.with_suffix(""))
    return name


def time_copy(webinar: Webinar) -> float:
    """Return how long it takes to read every segment and to write it behind the others."""
    began = time.perf_counter()
    target = media.scratch_file(media.new_name(webinar.pk, "mp4"))
    with target.open("wb") as file:
        for name in Segment.objects.filter(webinar=webinar).order_by("number").values_list("name", flat=True):
            file.write(media.store().read(name) or b"")
    target.unlink()
    return time.perf_counter() - began
