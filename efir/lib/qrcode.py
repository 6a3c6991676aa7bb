"""QR codes."""

from __future__ import annotations

import segno
from django.utils.safestring import SafeString

# The margin that the standard (ISO/IEC 18004) demands, in modules.
QUIET_ZONE = 4


def svg(text: str) -> SafeString:
    """Return the QR code of `text` as inline SVG, dark on light in every colour scheme."""
    code = segno.make(text, error="m", micro=False)
    return SafeString(
        code.svg_inline(
            border=QUIET_ZONE, dark="#000", light="#fff", omitsize=True, svgclass="qr", lineclass=None
        )
    )
