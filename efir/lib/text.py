"""Search by a part of a name."""

from __future__ import annotations

from django.db.models import Q
from django.http import QueryDict

QUERY_MAX_LENGTH = 100


def clean_query(query: QueryDict, name: str) -> str:
    """Return the search text of the parameter `name`, without NUL, which PostgreSQL refuses."""
    return query.get(name, "").replace("\x00", "").strip()[:QUERY_MAX_LENGTH]


def name_contains(text: str, field: str = "name") -> Q:
    """Return the condition that `field` contains the text in any case; an empty text matches everything."""
    found = Q()
    # SQLite ignores the case of ASCII letters only, so a Russian name is searched in its usual spellings.
    for spelling in {text, text.lower(), text.capitalize(), text.title()} - {""}:
        found |= Q(**{f"{field}__icontains": spelling})
    return found
