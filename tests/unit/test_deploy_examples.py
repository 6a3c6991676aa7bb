"""systemd and Caddy accept the files in deploy/."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import partial
from pathlib import Path

import httpx
import pytest

from efir.config import MAX_DRAIN_S, ConfigError, read_config
from efir.server.forced_exit import EXIT_WITHIN_S
from tests.support import caddy, nginx
from tests.support.nginx import IN_CI
from tests.support.ports import free_port
from tests.support.site import eventually

pytestmark = pytest.mark.one_database

UNITS = sorted((Path(__file__).parents[2] / "deploy/systemd").glob("*.service"))
ANALYZE = shutil.which("systemd-analyze")
NO_SYSTEMD = (
    "systemd-analyze is not here: SKIPPED whether the units are right. To get it: apt-get install systemd"
)


@pytest.mark.skipif(not ANALYZE and not IN_CI, reason=NO_SYSTEMD)
def test_systemd_has_nothing_to_say_against_the_units(tmp_path):
    assert len(UNITS) == 3
    for unit in UNITS:
        text, count = re.subn(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text(), flags=re.MULTILINE)
        assert count == 1
        (tmp_path / unit.name).write_text(text)
    words = [str(ANALYZE), "verify", "--recursive-errors=no", *(str(tmp_path / unit.name) for unit in UNITS)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_waits_for_as_long_as_a_stop_may_last(unit, tmp_path):
    """However long the process drains: killed in the middle it would leave presence unwritten."""
    environ = {"EFIR_DATA_DIR": str(tmp_path)}
    assert read_config(environ | {"EFIR_DRAIN_S": str(MAX_DRAIN_S)}).drain_s == MAX_DRAIN_S
    with pytest.raises(ConfigError):
        read_config(environ | {"EFIR_DRAIN_S": str(MAX_DRAIN_S + 1)})
    (waits_s,) = re.findall(r"^TimeoutStopSec=(\d+)$", unit.read_text(), flags=re.MULTILINE)
    assert int(waits_s) > MAX_DRAIN_S + EXIT_WITHIN_S


@pytest.mark.skipif(not caddy.PROGRAM and not IN_CI, reason=caddy.MISSING)
def test_caddy_takes_its_example(tmp_path):
    words = [str(caddy.PROGRAM), "validate", "--adapter", "caddyfile", "--config", str(caddy.EXAMPLE)]
    done = subprocess.run(words, env=caddy.environ(tmp_path), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_caddy_tells_efir_at_once_that_a_viewer_left():
    """Caddy keeps a request going after its client has gone if this option is negative."""
    options = [line for line in caddy.EXAMPLE.read_text().splitlines() if not line.lstrip().startswith("#")]
    assert not [line for line in options if "flush_interval" in line]


@pytest.mark.skipif(not nginx.PROGRAM and not IN_CI, reason=nginx.MISSING)
def test_nginx_redirects_to_its_own_name_only(tmp_path):
    http, https = free_port(), free_port()
    nginx.make_certificate(tmp_path)
    example = nginx.EXAMPLE.read_text()
    conf = tmp_path / "nginx.conf"
    conf.write_text(
        nginx.rendered(example, folder=tmp_path, https=https, http=http, upstreams=[1], host="127.0.0.1")
    )
    words = [str(nginx.PROGRAM), "-p", tmp_path, "-e", tmp_path / "error.log", "-c", conf]
    with subprocess.Popen(words) as process:
        try:
            for host in ("localhost", "evil.example", "evil.example:80"):
                answer = eventually(partial(_get, f"http://127.0.0.1:{http}/login/?a=1", host))
                assert answer.status_code == 301
                assert answer.headers["location"] == "https://localhost/login/?a=1"
        finally:
            process.terminate()


def _get(url: str, host: str) -> httpx.Response | None:
    try:
        return httpx.get(url, headers={"Host": host})
    except httpx.TransportError:
        return None
