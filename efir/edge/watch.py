"""`POST /account/webinar_room/<id>/watch` before Django: everybody opens the broadcast within seconds of the start.

The visitor's access comes from the caches, the CSRF check is Django's own, and openings are written together. A refusal
is left to Django, which says why.
"""

from __future__ import annotations

import json
from io import BytesIO

from django.core.handlers.asgi import ASGIRequest

from efir.edge.cached_pages import STATE_HEADERS
from efir.edge.form_token import CSRF, answer_nothing
from efir.lib.asgi import Scope, Send, cookies_of, header_of, send_response
from efir.room.hub import current_hub
from efir.room.sse import session_key
from efir.room.state import player_of


async def watch(scope: Scope, send: Send, webinar_id: str) -> int:
    """Answer with the player, or return 0."""
    hub = current_hub()
    # A body, which may hold the form token instead of the header, is Django's to read.
    if hub is None or header_of(scope, b"content-length") not in ("", "0"):
        return 0
    if header_of(scope, b"transfer-encoding") or not _passes_csrf_check(scope):
        return 0
    admission = await hub.admission.admit(session_key(cookies_of(scope)), int(webinar_id))
    if admission.access is None or admission.webinar is None or not admission.webinar.is_on_air:
        return 0
    webinar = await hub.openings.open(admission.webinar.pk, admission.access.person_id)
    if webinar is None:
        return 0
    body = json.dumps(player_of(webinar)).encode()
    await send_response(send, 200, (*STATE_HEADERS, (b"content-length", b"%d" % len(body))), body)
    return 200


def _passes_csrf_check(scope: Scope) -> bool:
    request = ASGIRequest(scope, BytesIO())
    CSRF.process_request(request)
    return CSRF.process_view(request, answer_nothing, (), {}) is None
