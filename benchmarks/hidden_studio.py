"""The studio hidden behind the window that it shares: how many frames a second it sends.

A browser slows a hidden page's timers down to one call a second. `--seconds 60` is the default. Needs Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Callable

from django.db.models import Sum

from benchmarks.delay import DEVICES, prepare
from benchmarks.servers import efir
from benchmarks.tables import table, warn
from efir.broadcast.models import Segment
from efir.webinars.models import Webinar
from tests.support.devtools import chromium_with_tabs
from tools.screenshots.browser import MISSING

LIMIT = 15
WITHIN_S = 60.0


def main(*arguments: str) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="hidden_studio")
    parser.add_argument("--seconds", type=float, default=60.0)
    seconds = parser.parse_args(arguments).seconds
    if not (shutil.which("chromium") or shutil.which("chromium-headless-shell")):
        warn(MISSING)
        return
    webinar, (session, _viewer) = prepare()
    with efir("serve") as server, chromium_with_tabs(DEVICES) as browser:
        studio, url = browser.tab(), f"http://127.0.0.1:{server.port}"
        studio.goto(f"{url}/offline/")
        studio.run(f"document.cookie = 'sessionid={session}; path=/'")
        studio.goto(f"{url}/admin_webinar/{webinar.pk}/studio/")
        _wait(lambda: not studio.run("document.getElementById('begin-button').disabled"))
        studio.run("document.getElementById('begin-button').click()")
        _wait(lambda: studio.run("document.getElementById('signal').dataset.state") == "on")
        studio.run("document.getElementById('use-screen').click()")
        pressed = "document.getElementById('use-screen').getAttribute('aria-pressed')"
        _wait(lambda: studio.run(pressed) == "true")
        time.sleep(5.0)
        seen = _frames_a_second(webinar, _last(webinar) - 4)
        browser.tab()
        _wait(lambda: studio.run("document.visibilityState") == "hidden")
        number = _last(webinar) + 2
        time.sleep(seconds)
        hidden = _frames_a_second(webinar, number)
    rows = [("in sight", f"{seen:.1f}", ""), (f"hidden for {seconds:.0f} s", f"{hidden:.1f}", f"{LIMIT}")]
    table(
        "Frames a second that the studio sends, sharing a screen", ["studio", "frames a second", "aim"], rows
    )
    if hidden < LIMIT:
        warn(f"hidden, the studio sends {hidden:.1f} frames a second")


def _last(webinar: Webinar) -> int:
    return Segment.objects.filter(webinar=webinar).count()


def _frames_a_second(webinar: Webinar, after: int) -> float:
    made = Segment.objects.filter(webinar=webinar, number__gt=after)
    sums = made.aggregate(frames=Sum("frames"), seconds=Sum("duration_s"))
    return float(sums["frames"] / sums["seconds"])


def _wait(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("the studio does not begin")
        time.sleep(0.2)
