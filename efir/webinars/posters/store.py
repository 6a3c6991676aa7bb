"""Posters in the database: each stored once, and deleted when no webinar uses it."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef

from efir.lib import clock
from efir.webinars.models import Poster, PosterFile, Webinar
from efir.webinars.posters.formats import CONTENT_TYPES, is_poster_id
from efir.webinars.posters.render import RenderedPoster

# A form that is sent again after an error in another field still finds its poster.
KEEP_UNUSED_FOR = timedelta(days=1)


def store(poster: RenderedPoster) -> Poster:
    """Store the poster, or touch the stored one if it has the same files."""
    with transaction.atomic():
        kept, new = Poster.objects.update_or_create(id=poster.digest, defaults={"kept_at": clock.now()})
        if new:
            PosterFile.objects.bulk_create(
                PosterFile(poster=kept, name=name, content=content) for name, content in poster.files.items()
            )
        return kept


def touch(digest: str) -> Poster | None:
    """Return the poster with this id and keep it for at least another day; None if there is none."""
    if not is_poster_id(digest):
        return None
    Poster.objects.filter(pk=digest).update(kept_at=clock.now())
    return Poster.objects.filter(pk=digest).first()


def read_file(digest: str, name: str) -> bytes | None:
    """Return the bytes of one file; None if there is no such file."""
    if name not in CONTENT_TYPES or not is_poster_id(digest):
        return None
    found = PosterFile.objects.filter(poster_id=digest, name=name).values_list("content", flat=True).first()
    return bytes(found) if found is not None else None


def delete_unused() -> int:
    """Delete the posters that no webinar has used for a day. Return their number."""
    used = Webinar.objects.filter(poster_id=OuterRef("pk"))
    old = Poster.objects.filter(~Exists(used), kept_at__lt=clock.now() - KEEP_UNUSED_FOR)
    if not old.exists():  # the usual case, checked every few seconds without a lock
        return 0
    with transaction.atomic():
        # Lock first: a poster that is uploaded again at this moment no longer matches, and stays.
        ids = list(old.select_for_update().values_list("pk", flat=True))
        Poster.objects.filter(pk__in=ids).delete()
        return len(ids)
