"""`make screenshots`: a picture of every page in every state into docs/screenshots/, and the index of them.

`python -m tools.screenshots NAME …` takes those states alone whose names begin so, and leaves the index as it is.
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page

from tools.screenshots.browser import DESKTOP, PHONE, chromium, opened
from tools.screenshots.catalogue import CATALOGUE, State
from tools.screenshots.site import Worlds

FOLDER = Path("docs/screenshots")
# A page shows its own address here and there: the pictures are to be the same each time.
FIRST_PORT = 18_080
# What does not fit is cut: the pictures are for looking at, together some MB.
TALLEST = 5000
# Posters below the fold load when somebody scrolls there; a picture does not scroll.
ALL_IMAGES = """() => Promise.all([...document.images].map((image) => {
  image.loading = "eager";
  return image.decode().catch(() => {});
}))"""
ENGLISH = (
    "schedule-one-guest",
    "signup-invited",
    "room-live",
    "room-waiting",
    "speaker-mixed",
    "account-partner",
)


@dataclass(frozen=True)
class Shape:
    """One way to take a state: `scale` makes the picture smaller, `quality` is WebP's."""

    name: str
    viewport: dict[str, int]
    scheme: str
    scale: float
    quality: int


SHAPES = (Shape("desktop", DESKTOP, "light", 0.6, 35), Shape("phone", PHONE, "dark", 0.75, 30))


def main(only: Sequence[str]) -> int:
    """Take the pictures; 1 where there is no Chromium."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = [state for state in CATALOGUE if not only or state.name.startswith(tuple(only))]
    try:
        with Worlds(FIRST_PORT) as worlds, chromium() as browser:
            for path in _taken(browser, worlds, wanted):
                print(path, flush=True)
    except FileNotFoundError as exc:
        print(f"\n*** {exc} ***\n", file=sys.stderr)
        return 1
    if not only:
        _forget_others()
        (FOLDER / "README.md").write_text(_index(), encoding="utf-8")
    print(f"{sum(path.stat().st_size for path in FOLDER.glob('*.webp')) / 1e6:.1f} MB")
    return 0


def _taken(browser: Browser, worlds: Worlds, states: Sequence[State]) -> Iterator[Path]:
    for state in states:
        for language in ("ru", "en") if state.name in ENGLISH else ("ru",):
            with opened(browser, worlds, state, language) as shown:
                for shape in SHAPES if language == "ru" else SHAPES[:1]:
                    path = _path(state, shape, language)
                    path.write_bytes(_picture(shown.page, shape))
                    yield path


def _path(state: State, shape: Shape, language: str) -> Path:
    return FOLDER / f"{state.name}-{shape.name}{'' if language == 'ru' else '-en'}.webp"


def _picture(page: Page, shape: Shape) -> bytes:
    page.set_viewport_size(shape.viewport)
    page.emulate_media(color_scheme=shape.scheme)
    page.evaluate("scrollTo(0, 0)")
    page.evaluate(ALL_IMAGES)
    height = page.evaluate("document.documentElement.scrollHeight")
    clip = {
        "x": 0,
        "y": 0,
        "width": shape.viewport["width"],
        "height": min(height, TALLEST),
        "scale": shape.scale,
    }
    taken = page.context.new_cdp_session(page).send(
        "Page.captureScreenshot",
        {"format": "webp", "quality": shape.quality, "captureBeyondViewport": True, "clip": clip},
    )
    return base64.b64decode(taken["data"])


def _forget_others() -> None:
    """Pictures of states that are no more."""
    kept = {_path(state, shape, "ru") for state in CATALOGUE for shape in SHAPES}
    kept |= {_path(state, SHAPES[0], "en") for state in CATALOGUE if state.name in ENGLISH}
    for path in FOLDER.glob("*.webp"):
        if path not in kept:
            path.unlink()


def _index() -> str:
    lines = [
        "# Every page in every state",
        "",
        "`make screenshots` takes these pictures of a running installation and writes this page. The list",
        "is [catalogue.py](../../tools/screenshots/catalogue.py): the browser's tests go through it, too.",
        "",
        "| state | desktop, light | phone, dark |",
        "| --- | --- | --- |",
    ]
    for state in CATALOGUE:
        desktop, phone = (_path(state, shape, "ru").name for shape in SHAPES)
        english = f"<br>[English]({_path(state, SHAPES[0], 'en').name})" if state.name in ENGLISH else ""
        where = f"<br>`{state.path.partition('?')[0]}`" if "{reset}" not in state.path else ""
        pictures = " | ".join(
            f'<a href="{name}"><img src="{name}" width="{width}" alt="{state.name}"></a>'
            for name, width in ((desktop, 480), (phone, 180))
        )
        lines.append(f"| {state.name}{where}{english} | {pictures} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
