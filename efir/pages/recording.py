"""`/recordings/<token>/`: one recording for anybody with the link, without a login. `efir.edge` serves its files."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from efir.broadcast.models import Recording
from efir.broadcast.recording_links import playable
from efir.broadcast.recording_playlist import CONTENT_TYPES, PRIVATE_HEADERS, playlist


@never_cache
@require_safe
def page(request: HttpRequest, token: str) -> HttpResponse:
    """Show the recording; 404 with further links if the link is no longer valid."""
    recording = playable(token)
    if recording is None:
        return _private(render(request, "pages/recording_gone.html", status=404))
    context = {"webinar": recording.webinar, "recording": recording}
    return _private(render(request, "pages/recording.html", context))


@never_cache
@require_safe
def video(request: HttpRequest, token: str, kind: str) -> HttpResponse:
    """Answer the requests that the edge leaves to Django: HEAD, and missing files."""
    recording = playable(token)
    if recording is None or (kind == "mp4" and not recording.file):
        return _private(HttpResponse(status=404))
    response = HttpResponse(content_type=CONTENT_TYPES[kind])
    response["Content-Length"] = _size(recording, kind)
    response["Accept-Ranges"] = "bytes" if kind == "mp4" else "none"
    return _private(response)


def _size(recording: Recording, kind: str) -> int:
    return recording.file_size if kind == "mp4" else len(playlist(recording))


def _private(response: HttpResponse) -> HttpResponse:
    for name, value in PRIVATE_HEADERS.items():
        response[name] = value
    return response
