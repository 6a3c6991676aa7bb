"""The page that a browser shows without a network, and the service worker that stores it in the browser."""

from __future__ import annotations

import hashlib

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.http import require_safe

# The files of the page, beside the logo and the accent of the site: the worker's template knows those.
FILES = ("css/efir.css", "js/back_online.js")
PAGE = "offline.html"
# Without navigation and logout, since the stored page is the same for everybody.
CONTEXT = {"bare": True}


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Show the page that the service worker shows if another page cannot be reached."""
    return render(request, PAGE, CONTEXT)


@require_safe
def worker(request: HttpRequest) -> HttpResponse:
    """Send the service worker; it is at the root, so that it may respond for every page.

    It contains a hash of the files that it stores. So with a new release, another logo or another language its text
    changes, and the browser installs the new one.
    """
    addresses = [reverse("offline"), *map(static, FILES)]
    html = render_to_string(PAGE, CONTEXT, request)
    version = hashlib.sha256("\n".join([*addresses, html]).encode()).hexdigest()[:12]
    context = {"version": version, "addresses": addresses}
    return render(request, "offline.js", context, content_type="text/javascript; charset=utf-8")
