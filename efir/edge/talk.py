"""`POST /account/webinar_room/<id>/messages` before Django: a flood is refused without a thread or the database.

A message that may be accepted is left to Django, and so is a form without script, whose response is a page.
"""

from __future__ import annotations

import json

from django.utils.translation import override

from efir.accounts.capabilities import Capability
from efir.edge.cached_pages import STATE_HEADERS
from efir.hooks.actions import Code
from efir.lib import metrics
from efir.lib.asgi import Scope, Send, cookies_of, header_of, send_response
from efir.room.hub import current_hub
from efir.room.sse import session_key
from efir.talk.rate_limiter import is_busy
from efir.web.locale import language_of
from efir.webinars.labels import refusal_message

RETRY_AFTER = (b"retry-after", b"1")


async def refuse_flood(scope: Scope, send: Send, webinar_id: str) -> int:
    """Answer 429 if the room has accepted its maximum in this second, else return 0."""
    hub = current_hub()
    if hub is None or not is_busy(int(webinar_id)) or "text/html" in header_of(scope, b"accept"):
        return 0
    cookies = cookies_of(scope)
    access = await hub.admission.access_cache.get(session_key(cookies))
    if access is None or not access.can(Capability.WRITE_TALK) or access.can(Capability.MODERATE_TALK):
        return 0
    with override(language_of(cookies, header_of(scope, b"accept-language"))):
        answer = {"error": Code.TALK_BUSY.value, "detail": refusal_message(Code.TALK_BUSY)}
    metrics.TALK_REFUSED.labels(Code.TALK_BUSY).inc()
    body = json.dumps(answer).encode()
    length = b"content-length", b"%d" % len(body)
    await send_response(send, 429, (*STATE_HEADERS, RETRY_AFTER, length), body)
    return 429
