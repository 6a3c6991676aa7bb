"""`/admin_webinar/<id>/studio/`: the page for broadcasting, with the speaker's controls beside the picture."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from efir.accounts.capabilities import Capability, can, capability_required
from efir.broadcast.stream_keys import encoder_of
from efir.talk.queue import has_queue, queue_of
from efir.web.security_headers import permissions_policy
from efir.webinars.available_actions import available_actions
from efir.webinars.models import Webinar

# Only this page may ask for these. The wake lock keeps a phone awake while it is on air.
DEVICES = frozenset({"camera", "display-capture", "microphone", "screen-wake-lock"})


@never_cache
@require_safe
@capability_required(Capability.BROADCAST)
def studio(request: HttpRequest, webinar_id: int) -> HttpResponse:
    """Show the studio of one webinar. Its script asks for the devices and sends their video and sound."""
    webinar = get_object_or_404(Webinar, pk=webinar_id)
    context: dict[str, Any] = {
        "webinar": webinar,
        "actions": available_actions(webinar),
        "encoder": encoder_of(webinar),
        "is_demo": settings.EFIR.demo,
    }
    if can(request.user, Capability.MODERATE_TALK) and has_queue(webinar):
        context["queue"] = queue_of(webinar, request.GET)
    response = render(request, "pages/studio.html", context)
    response["Permissions-Policy"] = permissions_policy(allowed=DEVICES)
    return response
