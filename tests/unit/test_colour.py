"""The accent colour: the accepted spellings, and the contrast of text in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from efir.site_settings import colour

COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")
# The surfaces of efir.css that carry text in the accent colour.
LIGHT, DARK = ("#f5f4fb", "#ffffff", "#efedf8"), ("#100f1a", "#1a1928", "#242236")


@pytest.mark.parametrize(
    ("typed", "read"),
    [("#4a3fd6", "#4a3fd6"), ("4A3FD6", "#4a3fd6"), (" #abc ", "#aabbcc"), ("#FFF", "#ffffff")],
)
def test_colour_is_read(typed, read):
    assert colour.parse(typed) == read


@pytest.mark.parametrize("typed", ["", "red", "#12345", "#1234567", "#12345g", "#fff;color:red"])
def test_no_colour_is_refused(typed):
    with pytest.raises(ValueError, match=r"^"):
        colour.parse(typed)


def test_contrast_is_that_of_wcag():
    assert colour.contrast("#000000", "#ffffff") == 21
    assert colour.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@given(COLOURS)
def test_text_can_be_read_in_both_themes(typed):
    for theme, surfaces in ((colour.light_theme(typed), LIGHT), (colour.dark_theme(typed), DARK)):
        assert all(colour.contrast(theme.accent, surface) >= colour.MIN_CONTRAST for surface in surfaces)
        assert colour.contrast(theme.on_accent, theme.accent) >= colour.MIN_CONTRAST
        assert colour.contrast(theme.strong, theme.soft) >= colour.MIN_CONTRAST


@given(COLOURS)
@example("#fffff0")
@example("#4d4dff")
@example("#ff9999")
def test_muted_text_and_links_can_be_read_on_tinted_surfaces(typed):
    css = Path("efir/static/css/efir.css").read_text(encoding="utf-8")
    for theme, muted in zip(
        (colour.light_theme(typed), colour.dark_theme(typed)),
        re.findall(r"--muted: (#\w+);", css),
        strict=True,
    ):
        for surface in (theme.soft, theme.glow):
            assert colour.contrast(muted, surface) >= colour.MIN_CONTRAST
            assert colour.contrast(theme.accent, surface) >= colour.MIN_CONTRAST


def test_readable_colour_stays():
    assert colour.light_theme("#4a3fd6").accent == "#4a3fd6"
    assert colour.dark_theme("#aba3ff").accent == "#aba3ff"
