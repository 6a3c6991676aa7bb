"""Remove a visitor's own data from a page that is cached for many visitors.

Its form tokens are a placeholder, which the edge replaces for each visitor. It shows only messages of a cookie that all
these visitors have; others wait for the next page that Django renders.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.middleware.csrf import CSRF_TOKEN_LENGTH
from django.utils.crypto import get_random_string

from efir.web.messages import HostCookieStorage
from efir.web.request_metrics import TO_KEEP

# As long as a masked token of Django's, so that a page has the same length for everybody. Random, so that nobody can
# write it into a title or a description.
PLACEHOLDER = get_random_string(CSRF_TOKEN_LENGTH)


def for_everybody(request: HttpRequest) -> dict[str, Any]:
    """Give a page that is rendered for the cache the placeholder as its `csrf_token`, and no messages of a session."""
    if not getattr(request, "scope", {}).get(TO_KEEP):
        return {}
    # Only the messages of the cookie, which the edge sends with the request.
    shown = {} if HostCookieStorage.cookie_name in request.COOKIES else {"messages": ()}
    return {"csrf_token": PLACEHOLDER, **shown}
