"""A real Chromium, and a running installation to point it at."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.e2e.conftest import cast, site, speaker, telegram  # noqa: F401  # fixtures
from tools.screenshots import browser
from tools.screenshots.site import Worlds


# For this package alone: Playwright's loop runs in the main thread, where others start loops of their own.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium; without it these tests are skipped, and fail where CI runs them."""
    if not (shutil.which("chromium") or shutil.which("chromium-headless-shell")):
        if os.environ.get("CI") == "true":
            pytest.fail(browser.MISSING)
        pytest.skip(f"*** {browser.MISSING} ***")
    with browser.chromium() as running:
        yield running


@pytest.fixture(scope="session")
def worlds() -> Iterator[Worlds]:
    """The installations in the states of the gallery's catalogue."""
    with Worlds() as worlds:
        yield worlds


@pytest.fixture(scope="package")
def visitors(chromium: Browser, worlds: Worlds) -> browser.Visitors:
    """Whoever comes to these installations, each with a browser that is kept."""
    return browser.Visitors(chromium, worlds)
