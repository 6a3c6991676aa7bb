"""Segments to many viewers from one process, compared with nginx; both check signed addresses."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.core.management import call_command

from benchmarks.nchan import _nginx
from benchmarks.servers import Server, efir, running
from benchmarks.tables import median, table
from efir.broadcast import media
from efir.lib import clock
from efir.lib.sockets import free_port

VIEWERS = 500
SEGMENT_BYTES = 1_500_000 // 8  # a second at 1.5 Mbit/s
FILES = 20
SECONDS = 10
RUNS = 3
LIMIT = 2.0

NGINX = """
daemon off;
{user}worker_processes 1;
pid {prefix}/pid;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    server {{
        listen 127.0.0.1:{port};
        location ~ "^/media/(?<expires>[0-9]+)/(?<signature>[A-Za-z0-9_-]+)/(?<name>[0-9]+/[A-Za-z0-9_.-]+)$" {{
            secure_link $signature,$expires;
            secure_link_md5 "$expires/$name {key}";
            if ($secure_link = "") {{ return 403; }}
            if ($secure_link = "0") {{ return 410; }}
            alias {media}/$name;
        }}
    }}
}}
"""

# Its own process, so that its work is not counted: each viewer asks for a segment each second, spread over the second.
LOAD = """
import asyncio, sys, time
port, viewers, seconds, size = map(int, sys.argv[1:5])
paths = sys.argv[5:]
took = []
class Viewer(asyncio.BufferedProtocol):
    buffer = bytearray(1 << 18)
    def connection_made(self, transport):
        self.transport = transport
    def ask(self, path):
        self.began, self.left, self.done = time.monotonic(), None, asyncio.get_running_loop().create_future()
        self.transport.write(f"GET {path} HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n".encode())
        return self.done
    def get_buffer(self, hint):
        return self.buffer
    def buffer_updated(self, count):
        if self.left is None:
            head = bytes(self.buffer[:count])
            assert head.startswith(b"HTTP/1.1 200"), head[:200]
            self.left = size + head.index(b"\\r\\n\\r\\n") + 4
        self.left -= count
        if self.left <= 0:
            took.append(time.monotonic() - self.began)
            self.done.set_result(None)
async def connect():
    _, viewer = await asyncio.get_running_loop().create_connection(Viewer, "127.0.0.1", port)
    await viewer.ask(paths[0])
    return viewer
async def view(viewer, number, began):
    for second in range(seconds):
        await asyncio.sleep(max(0, began + second + number / viewers - time.monotonic()))
        await viewer.ask(paths[second % len(paths)])
async def main():
    connected = [await connect() for _ in range(viewers)]
    took.clear()
    print("connected", flush=True)
    sys.stdin.readline()
    began = time.monotonic()
    await asyncio.gather(*(view(viewer, number, began) for number, viewer in enumerate(connected)))
asyncio.run(main())
took.sort()
print(len(took), sum(each > 1 for each in took), took[len(took) // 2], took[int(len(took) * 0.99)])
"""


def main() -> None:
    """Print the table."""
    call_command("migrate", verbosity=0)
    settings.EFIR.media_dir.mkdir(parents=True, exist_ok=True)
    names = [media.new_name(1) for _ in range(FILES)]
    for name in names:
        media.store().save(name, secrets.token_bytes(SEGMENT_BYTES))
    paths = [media.url_of(name, clock.now() + timedelta(hours=1)) for name in names]
    figures: dict[str, list[tuple[float, ...]]] = {"nginx": [], "Efir": []}
    with nginx() as peer, efir("web") as ours:
        time.sleep(2)
        for _ in range(RUNS):
            for name, server in (("nginx", peer), ("Efir", ours)):
                figures[name].append(serve(server, paths))
    cpu = {name: median([run[0] for run in runs]) for name, runs in figures.items()}
    table(
        f"Segments of {SEGMENT_BYTES // 1000} kB to {VIEWERS} viewers, one a second each: medians of {RUNS} runs of "
        f"{SECONDS} s",
        ["server", "percent of a core", "µs a segment", "p50 / p99, ms", "later than 1 s"],
        [
            (
                name,
                f"{cpu[name] * 100:.1f}",
                f"{cpu[name] * 1e6 / VIEWERS:.0f}",
                f"{median([run[2] for run in runs]) * 1000:.1f} / {median([run[3] for run in runs]) * 1000:.1f}",
                f"{sum(run[1] for run in runs):.0f}",
            )
            for name, runs in figures.items()
        ],
    )
    print(
        f"Efir's processor time: {cpu['Efir'] / cpu['nginx']:.2f} × nginx's (limit {LIMIT:g}).\n", flush=True
    )


def serve(server: Server, paths: list[str]) -> tuple[float, ...]:
    """Let the viewers play; return the share of a core, the late segments and two percentiles in seconds."""
    command = [sys.executable, "-c", LOAD, *map(str, (server.port, VIEWERS, SECONDS, SEGMENT_BYTES)), *paths]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as load:
        assert load.stdin  # noqa: S101  # it was started with pipes
        assert load.stdout  # noqa: S101  # the same
        load.stdout.readline()
        before = server.cpu_s()
        load.stdin.write("go\n")
        load.stdin.flush()
        count, late, middle, most = map(float, load.stdout.readline().split())
        used_s = server.cpu_s() - before
    if count != VIEWERS * SECONDS:
        raise RuntimeError(f"{count} segments came of {VIEWERS * SECONDS}")
    return used_s / SECONDS, late, middle, most


@contextmanager
def nginx() -> Iterator[Server]:
    """Run a private nginx on the same files while the block runs."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="efir-nginx-") as prefix:
        user = "user root;\n" if os.geteuid() == 0 else ""
        path = Path(prefix) / "nginx.conf"
        path.write_text(
            NGINX.format(
                user=user, prefix=prefix, port=port, key=media.signing_key(), media=settings.EFIR.media_dir
            ),
            encoding="ascii",
        )
        with running([_nginx(), "-p", prefix, "-e", "stderr", "-c", str(path)], port) as server:
            yield server
