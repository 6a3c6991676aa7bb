"""`{% poster webinar %}`: the webinar's picture, or a placeholder drawn as SVG."""

from __future__ import annotations

from typing import Any

from django import template

from efir.webinars.models import Webinar
from efir.webinars.posters.formats import HEIGHT, SHARE_IMAGE, WIDTH, WIDTHS, poster_path

register = template.Library()

PLACEHOLDER_COLORS = 6  # as in the style sheet


@register.inclusion_tag("webinars/_poster.html")
def poster(webinar: Webinar, sizes: str = "100vw", first: bool = False) -> dict[str, Any]:
    """Render the poster in 16:9. It is decoration without a text alternative: the title stands beside it.

    `sizes` is HTML's attribute: how wide the poster is shown. `first` loads it at once, as the page's first picture.
    """
    digest = webinar.poster_id
    return {
        "files": [(poster_path(digest, f"{width}.webp"), width) for width in WIDTHS] if digest else [],
        "fallback": poster_path(digest, SHARE_IMAGE) if digest else "",
        "sizes": sizes,
        "first": first,
        "width": WIDTH,
        "height": HEIGHT,
        "look": webinar.pk % PLACEHOLDER_COLORS,
    }
