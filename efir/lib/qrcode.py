"""A text as a QR code."""

from __future__ import annotations

import segno
from django.utils.safestring import SafeString

# What a camera needs around the code, in modules.
QUIET_ZONE = 4


def svg(text: str) -> SafeString:
    """The code as SVG to stand within a page: no script, no style, dark on light whatever the page's colours."""
    code = segno.make(text, error="m", micro=False)
    return SafeString(
        code.svg_inline(
            border=QUIET_ZONE, dark="#000", light="#fff", omitsize=True, svgclass="qr", lineclass=None
        )
    )
