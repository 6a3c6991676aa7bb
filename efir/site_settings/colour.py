"""Adjust the accent colour in both themes until its contrast is sufficient (WCAG 2.2, 1.4.3: 4.5 to 1 for text)."""

from __future__ import annotations

import colorsys
import re
from dataclasses import dataclass

MIN_CONTRAST = 4.5
_STEP = 0.01  # of lightness
# The surfaces of efir.css with text in the accent colour that are the hardest to read.
_LIGHT_SURFACE, _DARK_SURFACE = "#efedf8", "#242236"
_WHITE, _BLACK, _DARK_BACKGROUND = "#ffffff", "#000000", "#1a1928"
# The colours of efir.css for muted text, which stands on tinted surfaces, too.
_LIGHT_MUTED, _DARK_MUTED = "#5c5975", "#aeabc6"
_HEX = re.compile(r"#?([0-9a-f]{3}|[0-9a-f]{6})", re.IGNORECASE)


@dataclass(frozen=True)
class Accent:
    """The custom properties of one theme, each `#rrggbb`."""

    accent: str
    strong: str
    on_accent: str
    soft: str
    glow: str


def parse(text: str) -> str:
    """Return the colour as `#rrggbb`. Raises ValueError if the text is no colour in hexadecimal notation."""
    match = _HEX.fullmatch(text.strip())
    if match is None:
        raise ValueError(text)
    digits = match[1].lower()
    return "#" + (digits if len(digits) == 6 else "".join(2 * digit for digit in digits))


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, from 1 to 21 (WCAG 2.2, «contrast ratio»)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def light_theme(colour: str) -> Accent:
    """Return the accent on light pages: the colour, or the nearest darker one that can be read."""
    accent = _until_readable(colour, _LIGHT_SURFACE, -_STEP)
    soft = _tint(accent, _WHITE, 0.13, _LIGHT_MUTED)
    return Accent(
        accent=accent,
        strong=_until_readable(_mix(accent, _BLACK, 0.75), soft, -_STEP),
        on_accent=_WHITE,
        soft=soft,
        glow=_tint(accent, _WHITE, 0.15, _LIGHT_MUTED),
    )


def dark_theme(colour: str) -> Accent:
    """Return the accent on dark pages: the colour, or the nearest lighter one that can be read."""
    accent = _until_readable(colour, _DARK_SURFACE, _STEP)
    soft = _tint(accent, _DARK_BACKGROUND, 0.22, _DARK_MUTED)
    return Accent(
        accent=accent,
        strong=_until_readable(_mix(accent, _WHITE, 0.7), soft, _STEP),
        on_accent=_until_readable(_mix(accent, _BLACK, 0.25), accent, -_STEP),
        soft=soft,
        glow=_tint(accent, _DARK_BACKGROUND, 0.2, _DARK_MUTED),
    )


def stylesheet(colour: str) -> str:
    """Return the CSS that puts this accent in place of Efir's own."""
    light, dark = (
        f":root{{--accent:{each.accent};--accent-strong:{each.strong};--on-accent:{each.on_accent};"
        f"--accent-soft:{each.soft};--glow:{each.glow}}}"
        for each in (light_theme(colour), dark_theme(colour))
    )
    return f"{light}\n@media screen and (prefers-color-scheme:dark){{{dark}}}\n"


def _until_readable(colour: str, surface: str, step: float) -> str:
    """Return the colour with its lightness moved by `step` until it can be read on the surface."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*_fractions(colour))
    while contrast(colour, surface) < MIN_CONTRAST and 0 < lightness + step < 1:
        lightness += step
        colour = _hex(colorsys.hls_to_rgb(hue, lightness, saturation))
    return colour


def _tint(accent: str, background: str, share: float, muted: str) -> str:
    """Return the background with at most this share of the accent: muted text and links stay readable on it."""
    tinted = _mix(accent, background, share)
    while share > 0 and min(contrast(muted, tinted), contrast(accent, tinted)) < MIN_CONTRAST:
        share -= _STEP
        tinted = _mix(accent, background, share)
    return tinted


def _mix(colour: str, other: str, share: float) -> str:
    pairs = zip(_fractions(colour), _fractions(other), strict=True)
    return _hex(tuple(share * a + (1 - share) * b for a, b in pairs))


def _luminance(colour: str) -> float:
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in _fractions(colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _fractions(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue


def _hex(fractions: tuple[float, ...]) -> str:
    return "#" + "".join(f"{round(255 * each):02x}" for each in fractions)
