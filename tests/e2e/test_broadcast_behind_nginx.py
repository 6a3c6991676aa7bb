"""The own broadcast behind the example of nginx: it asks Efir once for each segment, and serves it to everybody."""

from __future__ import annotations

import httpx
import pytest

from tests.support import nginx
from tests.support.nginx import TRUSTING
from tests.support.ports import free_port
from tests.support.recorder import record
from tests.support.sender import Player, Sender, own_webinar_on_air
from tests.support.site import Site, Visitor, eventually, running_site

pytestmark = pytest.mark.skipif(not nginx.PROGRAM and not nginx.IN_CI, reason=nginx.MISSING)


def asked(site: Site) -> float:
    """Return how many requests for segments reached Efir itself."""
    lines = httpx.get(f"{site.url}/metrics").text.splitlines()
    counts = [
        line for line in lines if line.startswith('efir_http_requests_total{route="media/",status="2xx"')
    ]
    return float(counts[0].rpartition(" ")[2]) if counts else 0.0


def test_nginx_serves_segments_from_its_cache(tmp_path):
    https = free_port()
    address = f"https://localhost:{https}"
    (tmp_path / "site").mkdir()
    with (
        running_site(tmp_path / "site", EFIR_PUBLIC_URL=address, EFIR_TRUSTED_PROXIES="1") as site,
        nginx.in_front_of([site.port], https, tmp_path / "nginx"),
    ):
        _watch_through(site, address)


def _watch_through(site: Site, address: str) -> None:
    speaker = Visitor(site)
    speaker.http = httpx.Client(base_url=address, verify=TRUSTING, timeout=30, headers={"Referer": address})
    speaker.log_in("speaker")
    webinar = own_webinar_on_air(speaker)
    sender = Sender(speaker, webinar)
    sender.send(record(seconds=4))
    sender.end()
    player = Player(speaker, webinar)
    player.until(4)
    files = {player.segments[0][0], *(name for _, name in player.segments.values())}
    before = asked(site)
    for _ in range(3):
        for name in files:
            answer = httpx.get(f"{address}{name}", verify=TRUSTING)
            assert answer.status_code == 200
            assert int(answer.headers["cache-control"].split("max-age=")[1].split(",")[0]) > 0
    eventually(lambda: asked(site) == before + len(files))
