"""Delay from the camera to the viewer and the share of presented frames, compared with nginx-rtmp and hls.js.

The camera is a clock whose pixels carry the time, and the viewer reads it from the video. `python -m benchmarks delay
--minutes=5` measures for five minutes each; the default is half a minute. Needs Chromium. Firefox, and nginx with its
RTMP module, are left out if they are missing.

Frames are counted twice: those that the browser says it has presented, and those whose clock the page could read. The
page is called once for each repaint. On a busy machine two frames fall into one repaint, in Firefox above all: one of
them is presented without being read.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from getpass import getuser
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import av
from django.conf import settings
from django.core.management import call_command
from django.db.models import Sum
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from benchmarks.people import SYSTEM, create_people, log_in, room_page
from benchmarks.servers import efir
from benchmarks.tables import median, percentile, table, warn
from efir.accounts.capabilities import Role
from efir.broadcast import stream_keys
from efir.broadcast.models import Segment
from efir.lib import clock
from efir.lib.sockets import free_port
from efir.webinars import core
from efir.webinars.models import Webinar
from tests.support.firefox import Firefox, firefox
from tools.clock_picture import READ, READ_JS, Shown, camera_script, compare, figures
from tools.screenshots.browser import MISSING, QUIET

WARM_UP_S = 10.0
START_WITHIN_S = 60.0
MAX_DRIFT_S = 0.5
SIZE, FPS = (1280, 720), 25
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
RTMP_MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
HLS_JS = Path(__file__).parents[1] / "efir/room/static/room/vendor/hls.light.min.mjs"
DEVICES = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]

# HLS as nginx-rtmp has it by default.
NGINX_CONF = """
daemon off; user {user}; pid {folder}/pid; error_log {folder}/error.log; load_module {module}; worker_processes 1;
events {{ worker_connections 64; }}
rtmp {{ server {{ listen 127.0.0.1:{rtmp}; application live {{ live on; hls on; hls_path {folder}/hls; }} }} }}
http {{
  access_log off; types {{ text/html html; text/javascript mjs; application/vnd.apple.mpegurl m3u8; video/mp2t ts; }}
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{http}; root {folder}; location /hls {{ add_header Cache-Control no-cache; }} }}
}}
"""
PEER_PAGE = """<!doctype html><video muted></video><script type="module">
import Hls from "./hls.mjs";
const hls = new Hls();
hls.loadSource("hls/clock.m3u8");
hls.attachMedia(document.querySelector("video"));
document.querySelector("video").play();
</script>"""


def main(*arguments: str) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="delay")
    parser.add_argument("--minutes", type=float, default=0.5, help="for each pair (default: 0.5)")
    parser.add_argument("--only", default="", help="a part of a pair's name, for instance Firefox")
    options = parser.parse_args(arguments)
    seconds = options.minutes * 60
    path = shutil.which("chromium") or shutil.which("chromium-headless-shell")
    if path is None:
        warn(MISSING)
        return
    rows = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*QUIET, *DEVICES])
        for name, measure in _measures(browser, seconds):
            if options.only not in name:
                continue
            shown = measure()
            delays = shown.delays
            if shown.drift_s is not None and abs(shown.drift_s) > MAX_DRIFT_S:
                warn(f"{name}: {shown.drift_s:.2f} s later in the last minute than in the first")
            rows.append(
                (
                    name,
                    f"{median(delays):.2f}" if delays else "",
                    f"{percentile(delays, 95):.2f}",
                    f"{shown.sent:,}",
                    f"{shown.presented:,} ({min(1.0, shown.presented / max(1, shown.sent)):.1%})",
                    f"{shown.shown:,} ({shown.share:.1%})",
                    str(shown.dropped),
                    "" if shown.drift_s is None else f"{shown.drift_s:+.2f}",
                    str(shown.stalls),
                )
            )
        browser.close()
    heading = [
        "sender → viewer",
        "p50, s",
        "p95, s",
        "frames sent",
        "presented",
        "read",
        "dropped",
        "drift, s",
        "stalls",
    ]
    table(f"From the camera to the viewer, {SIZE[1]}p{FPS}, {seconds:.0f} s each", heading, rows)


def _measures(browser: Browser, seconds: float) -> Iterator[tuple[str, Callable[[], Shown]]]:
    yield "own broadcast, Chromium → Chromium", lambda: _own(browser, seconds)
    if shutil.which("firefox-esr") or shutil.which("firefox"):
        yield "own broadcast, Chromium → Firefox", lambda: _own(browser, seconds, in_firefox=True)
    else:
        warn("Firefox is missing: left out. To install it: apt-get install firefox-esr")
    yield "own broadcast, RTMP → Chromium", lambda: _rtmp(browser, seconds)
    if NGINX and RTMP_MODULE.exists():
        yield "nginx-rtmp with hls.js, RTMP → Chromium", lambda: _nginx(browser, seconds)
    else:
        warn("nginx with RTMP is missing: left out. To install it: apt-get install nginx libnginx-mod-rtmp")


def _own(browser: Browser, seconds: float, *, in_firefox: bool = False) -> Shown:
    """Send from the studio and watch in the room, with the settings as they come."""
    webinar, cookies = prepare()
    with efir("serve") as server:
        url = f"http://127.0.0.1:{server.port}"
        studio = _context(browser, url, cookies[0]).new_page()
        studio.add_init_script(camera_script(*SIZE, FPS))
        studio.goto(f"/admin_webinar/{webinar.pk}/studio/")
        studio.locator("#begin-button").click()
        studio.locator("#signal[data-state=on]").wait_for(timeout=60_000)
        core.core_webinar_set_status(webinar.pk, "start", SYSTEM)
        try:
            if in_firefox:
                with firefox(url) as other:
                    read = _watch_in_firefox(other, cookies[1], room_page(webinar), seconds, studio)
            else:
                read = _watch(browser, url, cookies[1], webinar, seconds)
            return _of_recorded(webinar, figures(studio, read), read)
        finally:
            core.core_webinar_set_status(webinar.pk, "stop", SYSTEM)
            studio.context.close()


def _rtmp(browser: Browser, seconds: float) -> Shown:
    """Send by RTMP to Efir, and watch in the room."""
    webinar, cookies = prepare()
    key, port = stream_keys.issue(webinar.pk, SYSTEM), free_port()
    with efir("serve", EFIR_RTMP_PORT=str(port)) as server:
        core.core_webinar_set_status(webinar.pk, "start", SYSTEM)
        with _sending(f"rtmp://127.0.0.1:{port}/live/{key}", key_frame_s=1) as drawn:
            read = _watch(browser, f"http://127.0.0.1:{server.port}", cookies[1], webinar, seconds)
            core.core_webinar_set_status(webinar.pk, "stop", SYSTEM)
            return compare(drawn, read)


def prepare() -> tuple[Webinar, list[str]]:
    """Create a published webinar with its own broadcast; return it with the sessions of a speaker and a viewer."""
    call_command("migrate", verbosity=0)
    number = Webinar.objects.count()
    (speaker,) = create_people(1, Role.SPEAKER, f"s{number}-")
    (viewer,) = create_people(1, prefix=f"w{number}-")
    fields = {"title": "Эфир", "starts_at": clock.now(), "video": "own"}
    webinar = core.publish(core.create(fields, SYSTEM).pk, SYSTEM)
    cookies = [SimpleCookie(header) for header in log_in([speaker, viewer])]
    return webinar, [cookie[settings.SESSION_COOKIE_NAME].value for cookie in cookies]


def _watch(browser: Browser, url: str, session: str, webinar: Webinar, seconds: float) -> dict[str, Any]:
    room = _context(browser, url, session).new_page()
    room.goto(room_page(webinar))
    room.locator("#enter-button").click()
    read = _read(room, seconds)
    room.context.close()
    return read


def _of_recorded(webinar: Webinar, shown: Shown, read: dict[str, Any]) -> Shown:
    """Count the frames that the browser's recorder encoded, because a busy encoder skips some."""
    made = Segment.objects.filter(webinar=webinar).aggregate(frames=Sum("frames"), seconds=Sum("duration_s"))
    span_s = (read["shown"][-1][0] - read["shown"][0][0]) / 1000
    return replace(shown, sent=min(shown.sent, round(made["frames"] / made["seconds"] * span_s)))


def _context(browser: Browser, url: str, session: str) -> BrowserContext:
    context = browser.new_context(base_url=url, viewport={"width": 1280, "height": 800})
    cookie = {"name": settings.SESSION_COOKIE_NAME, "value": session, "domain": "127.0.0.1", "path": "/"}
    context.add_cookies([cookie])  # type: ignore[list-item]  # a dict with the right keys
    return context


def _read(page: Page, seconds: float) -> dict[str, Any]:
    page.wait_for_function("() => document.querySelector('video')?.currentTime > 1", timeout=120_000)
    page.wait_for_timeout(WARM_UP_S * 1000)
    page.evaluate(READ_JS)
    page.wait_for_timeout(seconds * 1000)
    read: dict[str, Any] = page.evaluate(READ)
    return read


def _watch_in_firefox(
    browser: Firefox, session: str, path: str, seconds: float, studio: Page
) -> dict[str, Any]:
    def run(script: str) -> Any:
        return browser.command("WebDriver:ExecuteScript", script=script, args=[])

    browser.goto("/login/")
    cookie = {"name": settings.SESSION_COOKIE_NAME, "value": session, "path": "/"}
    browser.command("WebDriver:AddCookie", cookie=cookie)
    browser.goto(path)
    browser.click("#enter-button")
    deadline = time.monotonic() + START_WITHIN_S
    while not run("return document.querySelector('#player video')?.currentTime > 1"):
        if time.monotonic() > deadline:
            raise RuntimeError("Firefox does not play; without libavcodec it has no H.264")
        studio.wait_for_timeout(500)
    # The studio's page lives in this thread: it is served while this waits.
    studio.wait_for_timeout(WARM_UP_S * 1000)
    run(f"({READ_JS})()")
    studio.wait_for_timeout(seconds * 1000)
    read: dict[str, Any] = run("return readSoFar()")
    return read


def _nginx(browser: Browser, seconds: float) -> Shown:
    """Send the same picture by RTMP to nginx, and watch it with hls.js, both with their defaults."""
    with tempfile.TemporaryDirectory(prefix="efir-bench-nginx-") as folder:
        rtmp, http = free_port(), free_port()
        Path(folder, "index.html").write_text(PEER_PAGE)
        shutil.copy(HLS_JS, Path(folder, "hls.mjs"))
        Path(folder, "hls").mkdir()
        conf = Path(folder, "nginx.conf")
        conf.write_text(
            NGINX_CONF.format(folder=folder, module=RTMP_MODULE, rtmp=rtmp, http=http, user=getuser())
        )
        nginx = subprocess.Popen([str(NGINX), "-c", str(conf), "-p", folder])
        try:
            time.sleep(1)
            with _sending(f"rtmp://127.0.0.1:{rtmp}/live/clock") as drawn:
                playlist = Path(folder, "hls/clock.m3u8")
                deadline = time.monotonic() + START_WITHIN_S
                while not playlist.exists():
                    if time.monotonic() > deadline:
                        raise RuntimeError(
                            f"nginx writes no playlist: {Path(folder, 'error.log').read_text()[-500:]}"
                        )
                    time.sleep(0.5)
                page = browser.new_context().new_page()
                page.goto(f"http://127.0.0.1:{http}/")
                read = _read(page, seconds)
                page.context.close()
                return compare(drawn, read)
        finally:
            nginx.terminate()
            nginx.wait()


@contextmanager
def _sending(address: str, key_frame_s: int = 2) -> Iterator[list[int]]:
    """Send the clock by RTMP as an encoder would. Yield the codes drawn so far."""
    drawn: list[int] = []
    stopped = threading.Event()

    def send() -> None:
        with av.open(address, "w", format="flv") as container:
            options = {"preset": "ultrafast", "tune": "zerolatency", "g": str(key_frame_s * FPS), "bf": "0"}
            stream = container.add_stream("libx264", rate=FPS, options=options)
            stream.width, stream.height, stream.pix_fmt, stream.bit_rate = *SIZE, "yuv420p", 1_500_000
            began, number = time.monotonic(), 0
            while not stopped.wait(max(0.0, began + number / FPS - time.monotonic())):
                code = int(time.time() * 1000) % 2**24
                drawn.append(code)
                frame = av.VideoFrame.from_image(_draw(code))  # type: ignore[no-untyped-call]  # PyAV's
                frame.pts, frame.time_base = number, Fraction(1, FPS)
                container.mux(stream.encode(frame))
                number += 1

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield drawn
    finally:
        stopped.set()
        thread.join()


def _draw(code: int) -> Image.Image:
    """Return the same picture as tools.clock_picture draws in a page."""
    width, height = SIZE
    bits = code + ((code + (code >> 8) + (code >> 16) & 255) << 24)
    image = Image.new("RGB", SIZE, (40, 90, 120))
    draw = ImageDraw.Draw(image)
    x = code / 8 % width
    draw.rectangle((x, height / 2, x + 40, height / 2 + 40), fill="white")
    for number in range(32):
        left = number * width / 32
        colour = "white" if bits >> number & 1 else "black"
        draw.rectangle((left, 0, left + width / 32, height / 8), fill=colour)
    return image
