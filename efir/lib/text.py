"""Finding people by a part of their name."""

from __future__ import annotations

from django.db.models import Q
from django.http import QueryDict

LONGEST = 100


def clean_query(query: QueryDict, name: str) -> str:
    """What the address asks for under `name`, fit for the database."""
    return query.get(name, "").replace("\x00", "").strip()[:LONGEST]


def name_contains(text: str, field: str = "name") -> Q:
    """Whose name holds the text; everybody for an empty one."""
    found = Q()
    # SQLite folds only ASCII, so a Russian name is sought as typed and with a capital.
    for spelling in {text, text.lower(), text.capitalize(), text.title()} - {""}:
        found |= Q(**{f"{field}__icontains": spelling})
    return found
