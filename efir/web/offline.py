"""Without a network: the page that a browser shows then, and the worker that keeps it there."""

from __future__ import annotations

import hashlib
import json

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_safe

# All that the page consists of.
FILES = ("css/efir.css", "js/back_online.js", "img/logo.svg", "img/favicon.svg")
PAGE = "offline.html"
# Nothing on it is anybody's own: no navigation, no log-out.
CONTEXT = {"bare": True}


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """What the worker shows where a page cannot be reached."""
    return render(request, PAGE, CONTEXT)


@require_safe
def worker(request: HttpRequest) -> HttpResponse:
    """The service worker, at the root, so that it may answer for every page. What it keeps is named in it:

    where that changes (a release, another language), its text does, and the browser takes the new one.
    """
    kept = [reverse("offline"), *map(static, FILES)]
    said = render_to_string(PAGE, CONTEXT, request)
    context = {
        "version": hashlib.sha256("\n".join([*kept, said]).encode()).hexdigest()[:12],
        "kept": mark_safe(json.dumps(kept)),  # noqa: S308  # addresses of our own
    }
    return render(request, "offline.js", context, content_type="text/javascript; charset=utf-8")
