"""The example of nginx-rtmp, run for real: it asks Efir for the key, and pushes to Efir."""

from __future__ import annotations

import getpass
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.e2e.conftest import Cast
from tests.support import encoder, nginx
from tests.support.ports import free_port
from tests.support.site import Site, Visitor, eventually, running_site

EXAMPLE = Path(__file__).parents[2] / "deploy/nginx-rtmp.conf"
MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
MISSING = "nginx-rtmp is not here: SKIPPED what is behind it. To get it: apt-get install nginx-light libnginx-mod-rtmp"
HAS_NGINX_RTMP = bool(nginx.PROGRAM) and MODULE.exists()
ENCODED_S = 60


@contextmanager
def nginx_rtmp(site: Site, folder: Path) -> Iterator[int]:
    """Run the example in front of the site, as it is but for ports and paths; yield the port for encoders."""
    port = free_port()
    conf = EXAMPLE.read_text()
    for example, here in (
        ("listen 1935;", f"listen 127.0.0.1:{port};"),
        ("127.0.0.1:8000", f"127.0.0.1:{site.port}"),
        ("127.0.0.1:1936", f"127.0.0.1:{site.environ['EFIR_RTMP_PORT']}"),
    ):
        assert example in conf
        conf = conf.replace(example, here)
    folder.mkdir()
    head = f"load_module {MODULE};\ndaemon off;\nuser {getpass.getuser()};\npid {folder}/pid;\nevents {{}}\n"
    (folder / "nginx.conf").write_text(head + conf)
    words = [str(nginx.PROGRAM), "-p", folder, "-e", folder / "error.log", "-c", folder / "nginx.conf"]
    process = subprocess.Popen(words)
    try:
        eventually(lambda: process.poll() is not None or is_open(port))
        assert process.poll() is None, (folder / "error.log").read_text()
        yield port
    finally:
        process.terminate()
        process.wait(30)


def is_open(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@pytest.mark.skipif(not HAS_NGINX_RTMP and not nginx.IN_CI, reason=MISSING)
def test_example_asks_for_the_key_and_pushes(tmp_path):
    with running_site(tmp_path, EFIR_RTMP_PORT=str(free_port())) as site:
        cast = Cast(site, Visitor(site, "speaker"), None)
        webinar = cast.webinar(video="own", player_url="")
        accept = {"Accept": "application/json"}
        key = cast.speaker.post(f"/admin_webinar/{webinar}/stream_key", headers=accept).json()["key"]
        sessions = f"broadcast_broadcastsession WHERE webinar_id = {webinar}"
        with nginx_rtmp(site, tmp_path / "nginx") as port:
            with encoder.running(f"rtmp://127.0.0.1:{port}/live/not-the-key", ENCODED_S) as obs:
                eventually(lambda: obs.poll() is not None)
            assert site.count(sessions) == 0
            with encoder.running(f"rtmp://127.0.0.1:{port}/live/{key}", ENCODED_S) as obs:
                segments = f"broadcast_segment WHERE webinar_id = {webinar}"
                eventually(lambda: site.count(segments) >= 3 or obs.poll() is not None)
                assert obs.poll() is None
        assert site.count(sessions) == 1
        for kept in (site.log, tmp_path / "nginx" / "error.log"):
            assert key not in kept.read_text()
