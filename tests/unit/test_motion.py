"""Nothing on a page moves forever by itself (WCAG 2.2.2)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "efir"
SHEETS = [path for path in PAGES.rglob("static/**/*.css") if "vendor" not in path.parts]
# A spinner is there while the server works, and the demo's picture is a video to send.
ESSENTIAL = ("aria-busy", ".demo-orb")


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda path: path.name)
def test_animations_end(sheet):
    endless = re.findall(r"([^{}]*)\{[^{}]*animation: [^;}]*\binfinite", sheet.read_text(encoding="utf-8"))
    assert [each for each in endless if not any(word in each for word in ESSENTIAL)] == []
