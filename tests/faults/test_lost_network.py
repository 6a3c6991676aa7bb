"""A phone that loses coverage does not close its connection: presence ends with its last acknowledgement.

The test has two hosts in network namespaces with a cable between them, and pulls the cable.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support import nginx
from tests.support.ports import free_port
from tests.support.site import EFIR, PASSWORD, Site, eventually

SERVER, CLIENT = "192.0.2.1", "192.0.2.2"
MISSING = "This test needs network namespaces: install iproute2 and run as root"

# Shorter than the real timeouts of 15 s and 30 s.
# Above the grace of a test's installation, so that a busy machine leaves no gap as long as it.
GRACE_S = 4.0
SETUP = "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'efir.settings'; import django; django.setup()"
SERVE = f"""
{SETUP}
import efir.room.hub, efir.server.web, efir.ops.cli.main
efir.room.hub.KEEP_ALIVE_S = 0.5
efir.server.web.TCP_USER_TIMEOUT_MS = 2500
efir.ops.cli.main.main(["serve"])
"""
VIEWER = """
import httpx, re, sys
address, login, password, webinar = sys.argv[1:]
http = httpx.Client(base_url=address, timeout=None, verify=False, headers={"Origin": address})
http.get("/login/")
(token,) = [cookie.value for cookie in http.cookies.jar if cookie.name.endswith("csrftoken")]
form = {"username": login, "password": password, "csrfmiddlewaretoken": token}
assert http.post("/login/", data=form).status_code == 302
while True:
    with http.stream("GET", f"/account/webinar_room/{webinar}/stream") as answer:
        for line in answer.iter_lines():
            print(line, flush=True)
            if login == "restless" and line.startswith("data"):
                break  # reconnects all the time, so that the number of viewers keeps changing
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@contextmanager
def two_hosts() -> Iterator[tuple[str, str]]:
    """Create two namespaces with a cable between them; yield their names."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING)
        pytest.skip(f"*** {MISSING} ***")
    near, far = (f"efir{os.getpid()}{side}" for side in "ab")
    for name in (near, far):
        ip("netns", "add", name)
    try:
        ip("link", "add", "cable", "netns", near, "type", "veth", "peer", "name", "cable", "netns", far)
        for name, address in ((near, SERVER), (far, CLIENT)):
            ip("-n", name, "addr", "add", f"{address}/30", "dev", "cable")
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", "cable", "up")
        yield near, far
    finally:
        for name in (near, far):
            ip("netns", "delete", name)


def test_presence_ends_with_the_last_acknowledgement(tmp_path):
    with two_hosts() as (near, far):
        site = Site(tmp_path, EFIR_HOST=SERVER)
        address = f"http://{SERVER}:{site.port}"
        site.add("candidate")
        site.add("restless", "partner")
        webinar = _webinar(site)
        server = subprocess.Popen(
            ["ip", "netns", "exec", near, sys.executable, "-c", SERVE], env=site.environ
        )
        viewer = restless = None
        try:
            eventually(lambda: _answers(near, address))
            restless = _watch(near, address, "restless", webinar)
            viewer = _watch(far, address, "candidate", webinar)
            site.run("webinar", "start", str(webinar))
            eventually(lambda: site.journal(webinar) == [("client_webinar_entered", "candidate")])
            _read_on(viewer)
            ip("-n", far, "link", "set", "cable", "down")
            pulled = time.time()
            eventually(lambda: not _is_present(site, "candidate"))
            noticed = time.time()
            eventually(lambda: _seconds_since_presence(site, "candidate") > GRACE_S)
            site.run("webinar", "stop", str(webinar))
            (verdict,) = eventually(lambda: site.lines("verdicts", "--webinar", str(webinar)))
        finally:
            for process in filter(None, (viewer, restless, server)):
                process.terminate()
                process.wait(30)
    ended = datetime.fromisoformat(verdict["intervals"][-1][1]).replace(tzinfo=UTC).timestamp()
    assert verdict["reason"] == "left_early"
    assert ended <= pulled < noticed


@pytest.mark.skipif(not nginx.PROGRAM and not nginx.IN_CI, reason=nginx.MISSING)
@pytest.mark.one_database
def test_presence_behind_the_proxy_example_ends_soon_after_the_network_is_lost(tmp_path):
    """With the setting of deploy/sysctl.d, but 3 retries (3 s) for 6 (25 s). The default of 15 takes 15 minutes."""
    with two_hosts() as (near, far):
        https, inside = free_port(), ["ip", "netns", "exec", near]
        address = f"https://{SERVER}:{https}"
        site = Site(tmp_path, EFIR_PUBLIC_URL=address, EFIR_TRUSTED_PROXIES="1")
        site.add("candidate")
        webinar = _webinar(site)
        setting = Path("deploy/sysctl.d/90-efir.conf").read_text().splitlines()[-1].partition(" = ")[0]
        subprocess.run([*inside, "sysctl", "-qw", f"{setting}=3"], check=True)
        viewer = None
        server = subprocess.Popen([*inside, str(EFIR), "serve"], env=site.environ)
        try:
            with nginx.in_front_of([site.port], https, tmp_path / "nginx", on=SERVER, within=inside):
                viewer = _watch(far, address, "candidate", webinar)
                site.run("webinar", "start", str(webinar))
                eventually(lambda: site.journal(webinar) == [("client_webinar_entered", "candidate")])
                ip("-n", far, "link", "set", "cable", "down")
                eventually(lambda: not _is_present(site, "candidate"))
                eventually(lambda: _seconds_since_presence(site, "candidate") > GRACE_S)
                site.run("webinar", "stop", str(webinar))
                (verdict,) = eventually(lambda: site.lines("verdicts", "--webinar", str(webinar)))
        finally:
            for process in filter(None, (viewer, server)):
                process.terminate()
                process.wait(30)
    assert verdict["reason"] == "left_early"


def _seconds_since_presence(site: Site, login: str) -> float:
    intervals = (
        "SELECT max(ended_at) FROM room_presenceinterval JOIN accounts_person ON person_id = accounts_person.id "
        f"WHERE login = '{login}'"
    )
    with site.database() as connection:
        (ended_at,) = connection.execute(intervals).fetchone()
    if isinstance(ended_at, datetime):
        return (datetime.now(UTC) - ended_at).total_seconds()
    return (datetime.now(UTC) - datetime.fromisoformat(ended_at).replace(tzinfo=UTC)).total_seconds()


def _webinar(site: Site) -> int:
    code = (
        f"{SETUP}\n"
        "from efir.lib import clock; from efir.webinars import core; from efir.hooks.actions import Context, Source\n"
        "c = Context(None, Source.CLI)\n"
        "w = core.create(dict(title='x', starts_at=clock.now(), player_url='https://rutube.ru/x'), c)\n"
        "print(core.publish(w.pk, c).pk)"
    )
    return int(_python(site, code).splitlines()[-1])


def _watch(namespace: str, address: str, login: str, webinar: int) -> subprocess.Popen[str]:
    command = [
        "ip",
        "netns",
        "exec",
        namespace,
        sys.executable,
        "-c",
        VIEWER,
        address,
        login,
        PASSWORD,
        str(webinar),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _is_present(site: Site, login: str) -> int:
    """Return the number of open intervals of this person."""
    code = (
        f"{SETUP}\n"
        "import json\n"
        "from efir.room.models import PresenceInterval\n"
        "print(json.dumps(PresenceInterval.objects.filter(ended_at=None, person__login='"
        + login
        + "').count()))"
    )
    return int(json.loads(_python(site, code)))


def _python(site: Site, code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env=site.environ, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def _answers(namespace: str, address: str) -> bool:
    code = f"import httpx; httpx.get('{address}/healthz')"
    done = subprocess.run(
        ["ip", "netns", "exec", namespace, sys.executable, "-c", code], stderr=subprocess.DEVNULL, check=False
    )
    return done.returncode == 0


def _read_on(viewer: subprocess.Popen[str]) -> None:
    """Read some more states, so that something was acknowledged after the entry."""
    assert viewer.stdout is not None
    for _ in range(12):
        viewer.stdout.readline()
