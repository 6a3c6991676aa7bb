"""Ingest and segments: a sender of 720p30 at 1.5 Mbit/s in real time, and the cost for the server's processes.

Beside it, what the lower rung needs in a process of its own.

A minute is encoded; it goes on with later times, so that one process cuts all of it and shows whether it grows.
"""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Any

import httpx
from django.core.management import call_command
from django.test import Client
from django.utils.crypto import get_random_string

from benchmarks.fragments import shifted, timescales
from benchmarks.people import create_people, live_own_webinar
from benchmarks.servers import Server, efir
from benchmarks.tables import table, warn
from efir.accounts.capabilities import Role
from efir.broadcast import media
from efir.broadcast.models import Segment
from tests.support.low_encoding import encode_low
from tests.support.recorder import record

SECONDS = 60
IDLE_S = 10
FPS, BIT_RATE, SIZE = 30, 1_400_000, (1280, 720)
LIMIT_PERCENT, LIMIT_MB = 6, 120
# What a process that does not leak may vary by once it has cut for a while.
WARM_UP_S, MAX_GROWTH_MB = 60, 5


def main(_option: str = "--seconds", seconds: str = str(SECONDS)) -> None:
    """Print the table."""
    call_command("migrate", verbosity=0)
    webinar = live_own_webinar()
    (speaker,) = create_people(1, Role.SPEAKER, "speaker")
    browser = Client()
    browser.force_login(speaker)
    token = get_random_string(32)  # a form token is what its cookie says
    cookies = {name: morsel.value for name, morsel in browser.cookies.items()} | {"csrftoken": token}
    chunks = record("mp4", SECONDS, size=SIZE, fps=FPS, bit_rate=BIT_RATE)
    with efir("serve") as server:
        time.sleep(3)  # what a process does when it starts
        idle = percent(server, IDLE_S)
        with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", cookies=cookies, timeout=60) as http:
            answer = http.post(
                f"/admin_webinar/{webinar.pk}/broadcast",
                json={"mime": "video/mp4"},
                headers={"X-CSRFToken": token},
            )
            answer.raise_for_status()
            busy, child_mb = send(http, answer.json()["chunk_url"], chunks, server, round(float(seconds)))
    frames = sum(Segment.objects.values_list("frames", flat=True))
    sent_mbit = sum(map(len, chunks)) * 8 / SECONDS / 1e6
    table(
        f"Ingest and segments, 720p30 at {sent_mbit:.1f} Mbit/s in chunks of 1 s for {seconds} s",
        ["what", "percent of a core", f"cutting process, MB (limit {LIMIT_MB})", "frames cut"],
        [
            ("`efir serve`, nobody sends", f"{idle:.1f}", "", ""),
            (
                f"`efir serve`, one sender (limit {LIMIT_PERCENT} more)",
                f"{busy:.1f}",
                f"{child_mb[0]:.0f} at first, {child_mb[-1]:.0f} at last",
                frames,
            ),
            (
                "the lower rung of the same in its own process (`EFIR_LOW_RUNG`)",
                f"{low_rung_percent():.1f}",
                "",
                "",
            ),
        ],
    )
    growth = child_mb[-1] - child_mb[min(WARM_UP_S, len(child_mb) - 1)]
    if growth > MAX_GROWTH_MB or max(child_mb) > LIMIT_MB:
        warn(f"the cutting process has grown by {growth:.0f} MB, to {max(child_mb):.0f} MB at most")


def low_rung_percent() -> float:
    """Return what encoding the first minute needs, in percent of a core."""
    segments = list(Segment.objects.order_by("number")[:SECONDS])
    files = [
        (media.store().read(each.init) or b"") + (media.store().read(each.name) or b"") for each in segments
    ]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    encoded = encode_low(files)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if [kind for kind, _ in encoded] != ["segment"] * len(segments):
        warn("the lower rung lacks segments")
    used_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used_s / sum(each.duration_s for each in segments) * 100


def percent(server: Server, seconds: float) -> float:
    """Return the share of a core that the server uses in the next seconds, in percent."""
    before, began = server.cpu_s(), time.monotonic()
    time.sleep(seconds)
    return (server.cpu_s() - before) / (time.monotonic() - began) * 100


def send(
    http: httpx.Client, url: str, chunks: list[bytes], server: Server, seconds: int
) -> tuple[float, list[float]]:
    """Send a chunk a second; return the percent of a core, and the cutting process's memory in MB, each second."""
    began, memory, measured = time.monotonic(), [], (0.0, 0.0)
    scales = timescales(chunks[0])
    for n in range(seconds + 1):
        wait = began + n - time.monotonic()
        time.sleep(max(0.0, wait))
        minute, second = divmod(n - 1, SECONDS)
        chunk = shifted(chunks[1 + second], minute * SECONDS, scales) if n else chunks[0]
        http.put(f"{url}{n}", content=chunk).raise_for_status()
        if n == 5:  # the process has been started
            measured = server.cpu_s(), time.monotonic()
        if n > 5:
            memory.append(_child_mb(server))
    return (server.cpu_s() - measured[0]) / (time.monotonic() - measured[1]) * 100, memory


def _child_mb(server: Server) -> float:
    children: list[Any] = server._pids()[1:]
    sizes = [
        int(line.split()[1]) / 1024
        for pid in children
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmRSS:")
    ]
    return max(sizes, default=0.0)
