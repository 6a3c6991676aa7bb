"""Who is behind a request: the session knows, and nothing else is asked."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from efir.accounts.models import Person


def person_of(request: HttpRequest) -> Person:
    """Whoever is logged in; raises PermissionDenied for a guest."""
    if not isinstance(request.user, Person):
        raise PermissionDenied
    return request.user
