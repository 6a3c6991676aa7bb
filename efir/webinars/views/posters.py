"""`/posters/<id>/<file>`: a poster's file. Its address is made from its bytes, so it may be kept for ever."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from efir.webinars.posters.formats import CONTENT_TYPES
from efir.webinars.posters.store import read_file

CACHE_FOREVER = "public, max-age=31536000, immutable"


@require_safe
def poster(request: HttpRequest, digest: str, name: str) -> HttpResponse:
    """For everybody who knows the address: nobody can guess one."""
    content = read_file(digest, name)
    if content is None:
        raise Http404
    return HttpResponse(content, content_type=CONTENT_TYPES[name], headers={"Cache-Control": CACHE_FOREVER})
