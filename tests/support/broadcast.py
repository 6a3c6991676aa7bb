"""A media server on another port: a live HLS playlist that goes on as long as its speaker does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# Two parts of two seconds each (H.264 and AAC, as OBS sends them), played in turn.
PARTS = [(Path(__file__).parent / "hls" / f"part{number}.ts").read_bytes() for number in (0, 1)]
PART_S = 2
LISTED = 6


class Broadcast(ThreadingHTTPServer):
    """Answers 404 until it is on air."""

    on_air = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.began = time.monotonic()
        self.host = f"127.0.0.1:{self.server_port}"
        self.address = f"http://{self.host}/live/stream.m3u8?key=1"

    def playlist(self) -> bytes:
        first = int((time.monotonic() - self.began) / PART_S)
        lines = ["#EXTM3U", "#EXT-X-VERSION:3", f"#EXT-X-TARGETDURATION:{PART_S}"]
        lines += [f"#EXT-X-MEDIA-SEQUENCE:{first}", f"#EXT-X-DISCONTINUITY-SEQUENCE:{first}"]
        for number in range(first, first + LISTED):
            lines += ["#EXT-X-DISCONTINUITY", f"#EXTINF:{PART_S}.0,", f"part{number}.ts"]
        return "\n".join(lines).encode()


class _Handler(BaseHTTPRequestHandler):
    server: Broadcast

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        body = b""
        if self.server.on_air:
            is_part = path.endswith(".ts")
            body = (
                PARTS[int(path.removesuffix(".ts").rpartition("part")[2]) % 2]
                if is_part
                else self.server.playlist()
            )
        self.send_response(200 if body else 404)
        self.send_header(
            "Content-Type", "video/mp2t" if path.endswith(".ts") else "application/vnd.apple.mpegurl"
        )
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def broadcasting() -> Iterator[Broadcast]:
    """Serve in a thread while the block runs."""
    server = Broadcast()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
