"""Open the catalogue's states in Debian's Chromium, with the clock frozen at the fixtures' time."""

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

from tools.screenshots.installations import Installation, Installations
from tools.screenshots.state import NOW, State

MISSING = "Chromium is missing. To install it: apt-get install chromium"
# Without these Chromium contacts hosts of its own at every start.
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
# A console message that repeats the events of the network.
LOADING = "Failed to load resource"


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Chromium while the block runs. Raises FileNotFoundError if it is not installed."""
    # The headless shell renders the same pages with a third of the CPU time.
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if path is None:
        raise FileNotFoundError(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()


@dataclass
class OpenPage:
    """A page in its state: the HTML that the server sent last, and every error on the way."""

    page: Page
    state: State
    html: str = ""
    status: int = 0
    errors: list[str] = field(default_factory=list)

    def _watch(self) -> None:
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.errors.append(f"script: {error}"))
        self.page.on("response", self._on_response)
        self.page.on("requestfailed", self._on_failure)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and LOADING not in message.text:
            self.errors.append(f"console: {message.text}")

    def _on_failure(self, request: Request) -> None:
        # Leaving a page aborts its stream: no failure.
        if request.failure != "net::ERR_ABORTED" and not (
            self.state.failing_url and self.state.failing_url in request.url
        ):
            self.errors.append(f"{request.failure}: {request.url}")

    def _on_response(self, response: Response) -> None:
        if response.request.is_navigation_request() and response.frame == self.page.main_frame:
            self.status = response.status
            with suppress(Exception):  # a redirect has no body
                self.html = response.text()
        elif response.status >= 400 and not (
            self.state.failing_url and self.state.failing_url in response.url
        ):
            self.errors.append(f"{response.status}: {response.url}")


@contextmanager
def open_state(  # noqa: PLR0913  # a state and how it is opened
    browser: Browser,
    installations: Installations,
    state: State,
    language: str,
    viewport: dict[str, int] = DESKTOP,
    *,
    frozen_clock: bool = True,
) -> Iterator[OpenPage]:
    """Open a state in a new browser context, in light colours. Unfreeze the clock if something is measured."""
    installation = installations.get(state.fixture)
    context = _context(browser, installation, state, language, viewport, frozen_clock=frozen_clock)
    try:
        with _open(context, installation, state) as result:
            yield result
    finally:
        context.close()


class ContextPool:
    """Browser contexts, reused by visitor and language: creating one is half the work of opening a page."""

    def __init__(self, browser: Browser, installations: Installations) -> None:
        self._browser, self._installations = browser, installations
        self._contexts: dict[tuple[str, str, str, bool], BrowserContext] = {}

    @contextmanager
    def open_state(self, state: State, language: str) -> Iterator[OpenPage]:
        """Open a state on a desktop, in light colours, with a frozen clock."""
        installation = self._installations.get(state.fixture)
        key = installation.url, state.login, language, state.javascript
        if key not in self._contexts:
            self._contexts[key] = _context(self._browser, installation, state, language)
        with _open(self._contexts[key], installation, state) as result:
            yield result


@contextmanager
def _open(context: BrowserContext, installation: Installation, state: State) -> Iterator[OpenPage]:
    result = OpenPage(context.new_page(), state)
    try:
        result._watch()
        result.page.goto(state.path.format_map(installation.values))
        if state.action:
            state.action(result.page)
        result.page.locator(state.ready).first.wait_for()
        yield result
    finally:
        result.page.close()


def _context(  # noqa: PLR0913  # a browser and its visitor
    browser: Browser,
    installation: Installation,
    state: State,
    language: str,
    viewport: dict[str, int] = DESKTOP,
    *,
    frozen_clock: bool = True,
) -> BrowserContext:
    context = browser.new_context(
        base_url=installation.url,
        locale={"ru": "ru-RU", "en": "en-GB"}[language],
        timezone_id="Asia/Novosibirsk",  # not the webinar's: the page shows both
        viewport=viewport,
        color_scheme="light",
        reduced_motion="reduce",
        # Also for the screenshot: switched on later, `<noscript>` and `(scripting: none)` would be gone.
        java_script_enabled=state.javascript,
    )
    if frozen_clock:
        context.clock.set_fixed_time(NOW)
    host = urlsplit(installation.url).hostname or ""
    cookies = {"django_language": language}
    if state.login:
        cookies["sessionid"] = installation.sessions[state.login]
    context.add_cookies(
        [{"name": name, "value": value, "domain": host, "path": "/"} for name, value in cookies.items()]
    )
    return context
