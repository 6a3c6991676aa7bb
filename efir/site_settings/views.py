"""The files of the logo, and the stylesheet of the accent colour."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.views.decorators.http import require_safe

from efir.site_settings import colour
from efir.site_settings.current import current
from efir.site_settings.files import read_file
from efir.web.shortcuts import CACHE_FOREVER


@require_safe
def logo(request: HttpRequest, digest: str, name: str) -> HttpResponse:
    """Return one file of the logo."""
    content = read_file(digest, name)
    if content is None:
        raise Http404
    return HttpResponse(content, content_type="image/png", headers={"Cache-Control": CACHE_FOREVER})


@require_safe
def icon(request: HttpRequest) -> HttpResponse:
    """Redirect from a well-known address of icons to the site's icon."""
    return redirect(current().logo_paths.get("touch") or static("img/touch.png"))


@require_safe
def theme(request: HttpRequest, digits: str) -> HttpResponse:
    """Return the stylesheet of an accent colour, which is in its address."""
    css = colour.stylesheet(colour.parse(digits))
    return HttpResponse(css, content_type="text/css; charset=utf-8", headers={"Cache-Control": CACHE_FOREVER})
