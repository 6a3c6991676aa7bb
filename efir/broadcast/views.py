"""The interface of senders in the browser: open a session, put its chunks, end it.

A chunk needs no form token: its address holds the session's id, which only the page that opened the session knows, and
browsers send PUT to another site only after asking it. The answer to a program is JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from efir.accounts.capabilities import Capability, can
from efir.accounts.models import Person
from efir.broadcast import ingest, media
from efir.broadcast.ingest import MAX_CHUNK_BYTES, BroadcastRefused
from efir.broadcast.live import playlist_of
from efir.broadcast.models import SessionSource
from efir.broadcast.playlist import Rendition
from efir.hooks.actions import ActionRefused, Code
from efir.web.shortcuts import refused_json
from efir.webinars.selectors import visible_webinar

SenderView = Callable[..., HttpResponse]


def _for_senders(view: SenderView) -> SenderView:
    """Require the capability `broadcast`, and refuse as JSON."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not isinstance(request.user, Person) or not can(request.user, Capability.BROADCAST):
            return refused_json(ActionRefused(Code.FORBIDDEN, Capability.BROADCAST))
        return view(request, *args, **kwargs)

    return never_cache(guarded)


@require_POST
@_for_senders
def open_session(request: HttpRequest, webinar_id: int) -> HttpResponse:
    """Open a session: 201 with its `chunk_url`, or 409 with the code of the refusal."""
    assert isinstance(request.user, Person)  # noqa: S101  # `_for_senders` has checked it
    try:
        wanted = json.loads(request.body or b"{}")
        mime, take_over = wanted.get("mime", ""), wanted.get("take_over", False)
        if not isinstance(mime, str) or not isinstance(take_over, bool):
            raise TypeError
    except (ValueError, TypeError, AttributeError):
        return JsonResponse({"error": "invalid_json"}, status=400)
    try:
        session = ingest.open_session(
            webinar_id,
            request.user,
            source=SessionSource.BROWSER,
            mime=mime,
            take_over=take_over,
            device=ingest.device_of(request.session.session_key or ""),
        )
    except ActionRefused as refused:
        return refused_json(refused)
    except BroadcastRefused as refused:
        return JsonResponse({"error": refused.code} | refused.more, status=409)
    body = {
        "session": str(session.pk),
        "chunk_url": f"/admin_webinar/{webinar_id}/broadcast/{session.pk}/",
        "max_chunk_bytes": MAX_CHUNK_BYTES,
    }
    return JsonResponse(body, status=201)


@csrf_exempt
@require_http_methods(["PUT"])
@_for_senders
def put_chunk(request: HttpRequest, webinar_id: int, session_id: UUID, n: int) -> HttpResponse:
    """Accept a chunk: 204 when it is committed."""
    if not _is_same_origin(request):
        return refused_json(ActionRefused(Code.FORBIDDEN, "origin"))
    data = request.read(MAX_CHUNK_BYTES + 1)
    return _answer(
        lambda person: ingest.accept_chunk(session_id, n, data, webinar_id=webinar_id, person=person), request
    )


@csrf_exempt
@require_POST
@_for_senders
def end_session(request: HttpRequest, webinar_id: int, session_id: UUID) -> HttpResponse:
    """End the session: 204. No form token is required: a page that is being closed cannot send headers."""
    if not _is_same_origin(request):
        return refused_json(ActionRefused(Code.FORBIDDEN, "origin"))
    return _answer(
        lambda person: ingest.end_session(session_id, webinar_id=webinar_id, person=person), request
    )


@never_cache
@require_safe
def live_playlist(request: HttpRequest, webinar_id: int, *, rendition: Rendition) -> HttpResponse:
    """Return the playlist. `efir.edge.video` answers first, in a process that serves rooms."""
    if not isinstance(request.user, Person):
        return HttpResponse(status=401)
    if not can(request.user, Capability.ENTER_ROOM):
        return HttpResponse(status=403)
    webinar = visible_webinar(webinar_id, drafts=can(request.user, Capability.EDIT_WEBINAR))
    body = playlist_of(webinar, rendition) if webinar else b""
    return HttpResponse(body, status=200 if body else 404, content_type="application/vnd.apple.mpegurl")


@require_safe
def media_file(request: HttpRequest, expires: str, signature: str, name: str) -> HttpResponse:
    """Return a file by its signed address. `efir.edge.video` answers first."""
    content = media.store().read(name) if media.is_valid(expires, signature, name) else None
    if content is None:
        raise Http404
    return HttpResponse(content, content_type=media.CONTENT_TYPES[name.rpartition(".")[2]].decode())


def _answer(action: Callable[[Person], None], request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, Person)  # noqa: S101  # `_for_senders` has checked it
    try:
        action(request.user)
    except BroadcastRefused as refused:
        return JsonResponse({"error": refused.code} | refused.more, status=refused.chunk_status)
    return HttpResponse(status=204)


def _is_same_origin(request: HttpRequest) -> bool:
    """Return whether the page that sends is this site's. Programs send no Origin."""
    origin = request.headers.get("Origin")
    own = (settings.EFIR.public_url, f"{request.scheme}://{request.get_host()}")
    return origin is None or origin in own
