"""From a frame that an encoder sends by RTMP to the playlist that lists its segment, with real processes."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.tables import median, percentile, table, warn
from efir.lib.sockets import free_port
from tests.e2e.conftest import Cast
from tests.support import encoder
from tests.support.sender import Player
from tests.support.site import Site, Visitor, eventually

SEGMENTS = 60
# A player that keeps two segments of a second ahead shows a frame two seconds after it is listed.
MAX_S = 3.0


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="efir-bench-rtmp-") as folder:
        site = Site(Path(folder), EFIR_RTMP_PORT=str(free_port()))
        try:
            site.start()
            for login in ("speaker", "admin"):
                site.add(login, login)
            delays = measure(Cast(site, Visitor(site, "speaker"), None), Visitor(site, "admin"))
        finally:
            site.stop()
    rows = [
        ("median", f"{median(delays):.2f}"),
        ("p95", f"{percentile(delays, 95):.2f}"),
        ("most", f"{max(delays):.2f}"),
    ]
    table(f"RTMP: first frame of a segment → listed, {len(delays)} segments of a second", ["", "s"], rows)
    if percentile(delays, 95) > MAX_S:
        warn(f"a frame is listed {percentile(delays, 95):.1f} s after it was sent, not {MAX_S} s")


def measure(cast: Cast, viewer: Visitor) -> list[float]:
    """Return the delay of each segment in seconds."""
    webinar = cast.webinar(video="own", player_url="")
    accept = {"Accept": "application/json"}
    given = cast.speaker.post(f"/admin_webinar/{webinar}/stream_key", headers=accept).json()
    cast.speaker.post(f"/admin_webinar/{webinar}/start")
    player, listed = Player(viewer, webinar), {}
    with encoder.running(f"{given['address']}/{given['key']}", SEGMENTS + 30) as sending:
        began = float(sending.stdout.readline())

        def have_all() -> bool:
            player.read()
            for number, (_, address) in player.segments.items():
                listed.setdefault(number, (time.time(), address.split("/", 4)[-1]))
            return len(listed) >= SEGMENTS

        eventually(have_all)
    with cast.site.database() as connection:
        rows = connection.execute("SELECT name, media_start FROM broadcast_segment")
        starts = dict(rows.fetchall())
    return [moment - began - starts[name] for moment, name in listed.values()]
