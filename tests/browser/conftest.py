"""A real Chromium, and the running installations that tests open in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import pages
from tests.e2e.conftest import cast, site, speaker, telegram  # noqa: F401  # fixtures
from tests.support import migrated
from tests.support.ports import free_port
from tools.screenshots import browser
from tools.screenshots.installations import Installations

DEVICES = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
# A busy machine needs more than Playwright's 5 s; a passing assertion waits no longer than it has to.
expect.set_options(timeout=30_000)


# For this package alone: Playwright's loop runs in the main thread, where others start loops of their own.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium. Without it these tests are skipped, and fail on CI."""
    if not (shutil.which("chromium") or shutil.which("chromium-headless-shell")):
        if os.environ.get("CI") == "true":
            pytest.fail(browser.MISSING)
        pytest.skip(f"*** {browser.MISSING} ***")
    with browser.chromium() as running:
        yield running


@pytest.fixture(scope="module")
def with_camera(chromium: Browser) -> Iterator[Browser]:
    """A Chromium whose camera, microphone and screen are its own test pictures."""
    running = chromium.browser_type.launch(
        executable_path=shutil.which("chromium") or shutil.which("chromium-headless-shell"),
        args=[*browser.QUIET, *DEVICES, "--autoplay-policy=user-gesture-required"],
    )
    yield running
    running.close()


@pytest.fixture(scope="session")
def installations() -> Iterator[Installations]:
    """Run the installations that the screenshot fixtures fill."""
    with Installations(make_port=free_port, make_database=migrated.copy_file) as installations:
        yield installations


@pytest.fixture(scope="package")
def contexts(chromium: Browser, installations: Installations) -> browser.ContextPool:
    """Share browser contexts between tests, by visitor and language."""
    return browser.ContextPool(chromium, installations)


@pytest.fixture(autouse=True)
def _close_browsers() -> Iterator[None]:
    """Close the browsers of people that the test opened; those of wider fixtures are open before it begins."""
    with pages.closed_afterwards():
        yield
