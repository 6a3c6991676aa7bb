"""Opens the catalogue's states in Debian's Chromium, with a clock that stands where the world's does."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    sync_playwright,
)

from tools.screenshots.catalogue import NOW, State
from tools.screenshots.site import Installation, Worlds

MISSING = "Chromium is not here. To get it: apt-get install chromium"
# Without these Chromium looks up hosts of its own at every start.
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 360, "height": 740}
# What the network's events say already.
LOADING = "Failed to load resource"


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running Chromium. Raises FileNotFoundError where it is not installed."""
    # The headless shell draws the same pages with a third of the processor time.
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if path is None:
        raise FileNotFoundError(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page in its state: its HTML as the server sent it last, and everything that went wrong on the way."""

    page: Page
    state: State
    html: str = ""
    status: int = 0
    complaints: list[str] = field(default_factory=list)

    def _hear(self) -> None:
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        self.page.on("response", self._on_response)
        self.page.on("requestfailed", self._on_failure)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and LOADING not in message.text:
            self.complaints.append(f"console: {message.text}")

    def _on_failure(self, request: Request) -> None:
        # A stream is cut off when its page is left: that is no failure.
        if request.failure != "net::ERR_ABORTED" and not (
            self.state.fails and self.state.fails in request.url
        ):
            self.complaints.append(f"{request.failure}: {request.url}")

    def _on_response(self, response: Response) -> None:
        if response.request.is_navigation_request() and response.frame == self.page.main_frame:
            self.status = response.status
            with suppress(Exception):  # a redirect has no body
                self.html = response.text()
        elif response.status >= 400 and not (self.state.fails and self.state.fails in response.url):
            self.complaints.append(f"{response.status}: {response.url}")


@contextmanager
def opened(  # noqa: PLR0913  # a state, and how it is looked at
    browser: Browser,
    worlds: Worlds,
    state: State,
    language: str,
    viewport: dict[str, int] = DESKTOP,
    *,
    still: bool = True,
) -> Iterator[Opened]:
    """The state in a browser of its own, in light colours. Its clock stands, if `still`: nothing is measured then."""
    installation = worlds.get(state.world)
    context = _context(browser, installation, state, language, viewport, still=still)
    try:
        with _shown(context, installation, state) as result:
            yield result
    finally:
        context.close()


class Visitors:
    """Everybody's browser, kept from one page to the next: its process is half of the work of opening one."""

    def __init__(self, browser: Browser, worlds: Worlds) -> None:
        self._browser, self._worlds = browser, worlds
        self._contexts: dict[tuple[str, str, str, bool], BrowserContext] = {}

    @contextmanager
    def opened(self, state: State, language: str) -> Iterator[Opened]:
        """The state on a desktop, in light colours, with a clock that stands."""
        installation = self._worlds.get(state.world)
        who = installation.url, state.who, language, state.scripts
        if who not in self._contexts:
            self._contexts[who] = _context(self._browser, installation, state, language)
        with _shown(self._contexts[who], installation, state) as result:
            yield result


@contextmanager
def _shown(context: BrowserContext, installation: Installation, state: State) -> Iterator[Opened]:
    result = Opened(context.new_page(), state)
    try:
        result._hear()
        result.page.goto(state.path.format_map(installation.words))
        if state.act:
            state.act(result.page)
        result.page.locator(state.ready).first.wait_for()
        yield result
    finally:
        result.page.close()


def _context(  # noqa: PLR0913  # a browser, and who is at it
    browser: Browser,
    installation: Installation,
    state: State,
    language: str,
    viewport: dict[str, int] = DESKTOP,
    *,
    still: bool = True,
) -> BrowserContext:
    context = browser.new_context(
        base_url=installation.url,
        locale={"ru": "ru-RU", "en": "en-GB"}[language],
        timezone_id="Asia/Novosibirsk",  # another one than the webinar's: both are shown
        viewport=viewport,
        color_scheme="light",
        reduced_motion="reduce",
        # To the end: switched on again later, `<noscript>` and `(scripting: none)` would be gone from the picture.
        java_script_enabled=state.scripts,
    )
    if still:
        context.clock.set_fixed_time(NOW)
    host = urlsplit(installation.url).hostname or ""
    cookies = {"django_language": language}
    if state.who:
        cookies["sessionid"] = installation.sessions[state.who]
    context.add_cookies(
        [{"name": name, "value": value, "domain": host, "path": "/"} for name, value in cookies.items()]
    )
    return context
