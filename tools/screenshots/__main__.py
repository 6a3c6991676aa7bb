"""`make screenshots`: take a screenshot of every page in every state, and refresh those that the docs show.

All go to test-artifacts/screenshots/, which git ignores; SHOWN are copied to docs/screenshots/.
`python -m tools.screenshots NAME …` takes only the states whose names begin so.
"""

from __future__ import annotations

import base64
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

from tools.screenshots.browser import DESKTOP, PHONE, chromium, open_state
from tools.screenshots.catalogue import CATALOGUE
from tools.screenshots.installations import Installations

ALL, COMMITTED = Path("test-artifacts/screenshots"), Path("docs/screenshots")
# In the READMEs and docs/screenshots/README.md, each in both languages.
SHOWN = (
    "schedule-one-guest",
    "signup-invited",
    "room-waiting",
    "room-live",
    "speaker-mixed",
    "speaker-obs",
    "studio-live",
    "account-partner",
)
# Some pages show their own address: with the same port the screenshots are the same each time.
FIRST_PORT = 18_080
MAX_HEIGHT = 5000  # in pixels; a longer page is cut
# Images below the fold load lazily, and a screenshot does not scroll.
LOAD_IMAGES = """() => Promise.all([...document.images].map((image) => {
  image.loading = "eager";
  return image.decode().catch(() => {});
}))"""


@dataclass(frozen=True)
class Format:
    """One way to take a screenshot: `scale` makes the file smaller, `quality` is WebP's."""

    name: str
    viewport: dict[str, int]
    color_scheme: str
    scale: float
    quality: int


FORMATS = (Format("desktop", DESKTOP, "light", 0.6, 35), Format("phone", PHONE, "dark", 0.75, 30))


def main(prefixes: Sequence[str]) -> int:
    """Take the screenshots. Return 1 if Chromium is missing."""
    ALL.mkdir(parents=True, exist_ok=True)
    try:
        with Installations(FIRST_PORT) as installations, chromium() as browser:
            for state in CATALOGUE:
                if prefixes and not state.name.startswith(tuple(prefixes)):
                    continue
                for language in ("ru", "en") if state.name in SHOWN else ("ru",):
                    with open_state(browser, installations, state, language) as opened:
                        for each in FORMATS if language == "ru" else FORMATS[:1]:
                            name = f"{state.name}-{each.name}{'-en' if language == 'en' else ''}.webp"
                            (ALL / name).write_bytes(take(opened.page, each))
                            print(ALL / name, flush=True)
                            if state.name in SHOWN and each is FORMATS[0]:
                                shutil.copy(ALL / name, COMMITTED / name)
    except FileNotFoundError as exc:
        print(f"\n*** {exc} ***\n", file=sys.stderr)
        return 1
    return 0


def take(page: Page, form: Format) -> bytes:
    """Return a screenshot of the whole page as WebP."""
    page.set_viewport_size(form.viewport)
    page.emulate_media(color_scheme=form.color_scheme)
    page.evaluate("scrollTo(0, 0)")
    page.evaluate(LOAD_IMAGES)
    height = min(page.evaluate("document.documentElement.scrollHeight"), MAX_HEIGHT)
    clip = {"x": 0, "y": 0, "width": form.viewport["width"], "height": height, "scale": form.scale}
    # Playwright itself writes PNG and JPEG only.
    taken = page.context.new_cdp_session(page).send(
        "Page.captureScreenshot",
        {"format": "webp", "quality": form.quality, "captureBeyondViewport": True, "clip": clip},
    )
    return base64.b64decode(taken["data"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
