"""`{% poster webinar %}`: the webinar's picture, or a drawn one where it has none."""

from __future__ import annotations

from typing import Any

from django import template

from efir.webinars.models import Webinar
from efir.webinars.posters.formats import HEIGHT, SHARE_IMAGE, WIDTH, WIDTHS, poster_path

register = template.Library()

LOOKS = 6


@register.inclusion_tag("webinars/_poster.html")
def poster(webinar: Webinar, sizes: str = "100vw", first: bool = False) -> dict[str, Any]:
    """The picture in 16:9, its place kept while it loads. It is decoration: the title stands beside it.

    `sizes` is how wide it is shown, as in HTML; `first`: it is what the page shows first, so it is loaded at once.
    """
    digest = webinar.poster_id
    return {
        "files": [(poster_path(digest, f"{width}.webp"), width) for width in WIDTHS] if digest else [],
        "fallback": poster_path(digest, SHARE_IMAGE) if digest else "",
        "sizes": sizes,
        "first": first,
        "width": WIDTH,
        "height": HEIGHT,
        "look": webinar.pk % LOOKS,
    }
