"""Form tokens in pages that are cached for many visitors: a placeholder, which the edge replaces for each of them."""

from __future__ import annotations

from django.http import HttpRequest
from django.middleware.csrf import CSRF_TOKEN_LENGTH
from django.utils.crypto import get_random_string

from efir.web.request_metrics import TO_KEEP

# As long as a masked token of Django's, so that a page has the same length for everybody. Random, so that nobody can
# write it into a title or a description.
PLACEHOLDER = get_random_string(CSRF_TOKEN_LENGTH)


def form_token(request: HttpRequest) -> dict[str, str]:
    """Give a page that is rendered for the cache the placeholder as its `csrf_token`; other pages keep their own."""
    return {"csrf_token": PLACEHOLDER} if getattr(request, "scope", {}).get(TO_KEEP) else {}
