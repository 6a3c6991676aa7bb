"""Posters for the sample webinars, drawn in code: a sky, a sun, circles on the water."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sin

from PIL import Image, ImageChops, ImageDraw, ImageFilter

Colour = tuple[int, int, int]

SIZE = (1600, 900)
FINE = 2  # drawn twice as large, so that edges are smooth


@dataclass(frozen=True)
class Scene:
    """The colours of one poster, from the top to the bottom, and where the sun stands (parts of the width, height)."""

    top: Colour
    horizon: Colour
    sun: Colour
    land: Colour
    at: tuple[float, float]


SCENES = (
    Scene((42, 27, 107), (255, 138, 101), (255, 224, 178), (30, 17, 71), (0.68, 0.56)),
    Scene((7, 55, 79), (120, 214, 190), (255, 244, 214), (4, 38, 56), (0.3, 0.44)),
    Scene((91, 24, 70), (255, 196, 120), (255, 240, 200), (54, 12, 42), (0.62, 0.4)),
    Scene((18, 44, 110), (158, 197, 255), (255, 255, 255), (12, 28, 74), (0.72, 0.34)),
)


def painted(number: int) -> Image.Image:
    """The poster of the sample webinar with this number, in RGB."""
    scene = SCENES[number % len(SCENES)]
    width, height = (side * FINE for side in SIZE)
    image = _gradient(scene.top, scene.horizon, (width, height))
    centre = round(scene.at[0] * width), round(scene.at[1] * height)
    image = ImageChops.screen(image, _glow(scene.sun, centre, (width, height)))
    _waves(image, centre)
    ImageDraw.Draw(image).circle(centre, 86 * FINE, fill=scene.sun)
    for ridge in range(3):
        _hills(image, _between(scene.horizon, scene.land, 0.45 + 0.275 * ridge), ridge, number)
    return image.resize(SIZE, Image.Resampling.LANCZOS)


def _gradient(top: Colour, bottom: Colour, size: tuple[int, int]) -> Image.Image:
    steps = 64
    column = Image.new("RGB", (1, steps))
    for step in range(steps):
        column.putpixel((0, step), _between(top, bottom, step / (steps - 1)))
    return column.resize(size, Image.Resampling.BICUBIC)


def _between(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def _glow(colour: Colour, centre: tuple[int, int], size: tuple[int, int]) -> Image.Image:
    small = Image.new("RGB", (size[0] // 16, size[1] // 16))
    place = centre[0] // 16, centre[1] // 16
    ImageDraw.Draw(small).circle(place, 17 * FINE, fill=_between((0, 0, 0), colour, 0.55))
    return small.filter(ImageFilter.GaussianBlur(14 * FINE)).resize(size, Image.Resampling.BICUBIC)


def _waves(image: Image.Image, centre: tuple[int, int]) -> None:
    draw = ImageDraw.Draw(image, "RGBA")
    for ring in range(1, 7):
        draw.circle(centre, (86 + 92 * ring) * FINE, outline=(255, 255, 255, 78 - 11 * ring), width=9 * FINE)


def _hills(image: Image.Image, colour: Colour, ridge: int, number: int) -> None:
    width, height = image.size
    base = 0.74 + 0.09 * ridge
    waves, shift = 1.1 + 0.5 * ridge, 1.7 * number + 2.3 * ridge
    line = [
        (
            x,
            round(
                height * (base + 0.035 * sin(2 * pi * waves * x / width + shift) - 0.02 * sin(9 * x / width))
            ),
        )
        for x in range(0, width + 16, 16)
    ]
    ImageDraw.Draw(image).polygon([*line, (width, height), (0, height)], fill=colour)
