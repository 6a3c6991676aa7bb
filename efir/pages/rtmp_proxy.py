"""`on_publish`, which nginx-rtmp calls before it accepts a publisher (docs/obs.md). For this machine only."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from efir.broadcast.stream_keys import webinar_of
from efir.web.local import is_from_this_machine


@csrf_exempt
@require_POST
def on_publish(request: HttpRequest) -> HttpResponse:
    """Answer 204 if the field `name` is a stream key that is valid now, else 403; other clients get 404."""
    if not is_from_this_machine(request):
        raise Http404
    return HttpResponse(status=204 if webinar_of(request.POST.get("name", "")) else 403)
