"""The largest paint on a poor connection and a slow processor: the schedule, the room, and plain words as the limit.

A cold Chromium each time, 1.6 Mbit/s with 150 ms there and back, a processor 4 times as slow.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

import django

django.setup()

from django.core.management import call_command  # noqa: E402  # after setup
from playwright.sync_api import Browser  # noqa: E402

from benchmarks.people import enrol, log_in, room_page, scheduled_webinar  # noqa: E402
from benchmarks.processes import efir  # noqa: E402
from benchmarks.tables import median, table, warn  # noqa: E402
from efir.demo.posters import draw_poster  # noqa: E402
from efir.hooks.actions import Context, Source  # noqa: E402
from efir.webinars import core  # noqa: E402
from efir.webinars.posters.render import render_image  # noqa: E402
from efir.webinars.posters.store import store  # noqa: E402
from tools.screenshots.browser import MISSING, PHONE, chromium  # noqa: E402

RUNS = 5
AIM_MS = 1500
NETWORK = {"offline": False, "latency": 150, "downloadThroughput": 1.6e6 / 8, "uploadThroughput": 750e3 / 8}
SLOWER = 4
LARGEST = """new Promise((done) => {
  let latest = 0;
  const note = (entries) => { for (const each of entries) latest = each.startTime; };
  const watch = new PerformanceObserver((list) => note(list.getEntries()));
  watch.observe({ type: "largest-contentful-paint", buffered: true });
  const settle = (left) => {
    if (latest && !left) return done(latest);
    return requestAnimationFrame(() => settle(latest ? left - 1 : left));
  };
  settle(10);
})"""


def main() -> None:
    """Print the table for this process's database."""
    if shutil.which("chromium") is None:
        warn(MISSING)
        return
    call_command("migrate", verbosity=0)
    poster = store(render_image(draw_poster(0)))
    webinar = core.update(scheduled_webinar().pk, {"poster": poster}, Context(None, Source.SYSTEM))
    cookie = log_in(enrol(1))[0]
    with efir("web") as server, chromium() as browser:
        address = f"http://127.0.0.1:{server.port}"
        pages = [
            ("plain words (limit)", f"{address}/healthz", ""),
            ("/webinars/ with a poster, a guest", f"{address}/webinars/", ""),
            ("the room before the start", f"{address}{room_page(webinar)}", cookie),
        ]
        took: list[list[float]] = [[] for _ in pages]
        for _ in range(RUNS):
            for (_name, page, session), runs in zip(pages, took, strict=True):
                runs.append(_largest_ms(browser, page, session))
    _print([name for name, *_ in pages], took)


def _largest_ms(browser: Browser, address: str, cookie: str) -> float:
    context = browser.new_context(viewport=PHONE, locale="ru-RU")
    if cookie:
        name, _, value = cookie.partition("=")
        context.add_cookies([{"name": name, "value": value, "url": address}])
    page = context.new_page()
    tools = context.new_cdp_session(page)
    tools.send("Network.enable")
    tools.send("Network.emulateNetworkConditions", NETWORK)
    tools.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    page.goto(address)
    largest: float = page.evaluate(LARGEST)
    context.close()
    return largest


def _print(names: Sequence[str], took: Sequence[Sequence[float]]) -> None:
    limit = median(took[0])
    table(
        f"The largest paint at 1.6 Mbit/s, 150 ms, {SLOWER} × slower: medians of {RUNS}, ms (aim: {AIM_MS:,})",
        ["page", "ms", "least", "most", "× the limit"],
        [
            (
                name,
                f"{median(runs):,.0f}",
                f"{min(runs):,.0f}",
                f"{max(runs):,.0f}",
                f"{median(runs) / limit:.1f}",
            )
            for name, runs in zip(names, took, strict=True)
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
