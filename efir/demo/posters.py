"""Posters for the sample webinars, drawn in code: a sky, a sun, circles on the water, hills."""

from __future__ import annotations

from math import pi, sin
from typing import NamedTuple

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

Colour = tuple[int, int, int]

SIZE = (1600, 900)
FINE = 2  # drawn at twice the size, so that edges are smooth


class Scene(NamedTuple):
    """The colours of one poster from top to bottom, and the sun's place as shares of width and height."""

    top: Colour
    horizon: Colour
    sun: Colour
    land: Colour
    place: tuple[float, float]


SCENES = (
    Scene((42, 27, 107), (255, 138, 101), (255, 224, 178), (30, 17, 71), (0.68, 0.56)),
    Scene((7, 55, 79), (120, 214, 190), (255, 244, 214), (4, 38, 56), (0.3, 0.44)),
    Scene((91, 24, 70), (255, 196, 120), (255, 240, 200), (54, 12, 42), (0.62, 0.4)),
    Scene((18, 44, 110), (158, 197, 255), (255, 255, 255), (12, 28, 74), (0.72, 0.34)),
)


def draw_poster(number: int) -> Image.Image:
    """Return the poster of the sample webinar with this number, in RGB."""
    scene = SCENES[number % len(SCENES)]
    width, height = (side * FINE for side in SIZE)
    sun = round(scene.place[0] * width), round(scene.place[1] * height)
    sky = ImageOps.colorize(Image.linear_gradient("L"), scene.top, scene.horizon)
    glow = Image.new("RGB", (width // 16, height // 16))  # small: blurring the full size takes seconds
    ImageDraw.Draw(glow).circle(
        (sun[0] // 16, sun[1] // 16), 17 * FINE, fill=_mix((0, 0, 0), scene.sun, 0.55)
    )
    glow = glow.filter(ImageFilter.GaussianBlur(14 * FINE)).resize((width, height), Image.Resampling.BICUBIC)
    image = ImageChops.screen(sky.resize((width, height), Image.Resampling.BICUBIC), glow)
    draw = ImageDraw.Draw(image, "RGBA")
    for ring in range(1, 7):
        draw.circle(sun, (86 + 92 * ring) * FINE, outline=(255, 255, 255, 78 - 11 * ring), width=9 * FINE)
    draw.circle(sun, 86 * FINE, fill=scene.sun)
    for ridge in range(3):
        waves, shift = 1.1 + 0.5 * ridge, 1.7 * number + 2.3 * ridge
        line = [
            (
                x,
                height
                * (
                    0.74
                    + 0.09 * ridge
                    + 0.035 * sin(2 * pi * waves * x / width + shift)
                    - 0.02 * sin(9 * x / width)
                ),
            )
            for x in range(0, width + 16, 16)
        ]
        colour = _mix(scene.horizon, scene.land, 0.45 + 0.275 * ridge)
        draw.polygon([*line, (width, height), (0, height)], fill=colour)
    return image.resize(SIZE, Image.Resampling.LANCZOS)


def _mix(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue
