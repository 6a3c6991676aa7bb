"""`/posters/<id>/<file>`: a poster's file. Its address is made from its bytes, so it may be kept for ever."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from efir.webinars.posters.formats import TYPES
from efir.webinars.posters.store import content_of

FOR_EVER = "public, max-age=31536000, immutable"


@require_safe
def poster(request: HttpRequest, digest: str, name: str) -> HttpResponse:
    """For everybody who knows the address: nobody can guess one."""
    content = content_of(digest, name)
    if content is None:
        raise Http404
    return HttpResponse(content, content_type=TYPES[name], headers={"Cache-Control": FOR_EVER})
