"""Posters in the database: kept once however often they are uploaded, forgotten when no webinar refers to them."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef

from efir.lib import clock
from efir.webinars.models import Poster, PosterFile, Webinar
from efir.webinars.posters.formats import CONTENT_TYPES, is_poster_id
from efir.webinars.posters.render import RenderedPoster

# A form that was refused for another field's sake still finds its poster when it is sent again.
KEEP_UNUSED_FOR = timedelta(days=1)


def store(poster: RenderedPoster) -> Poster:
    """Store the poster, or mark the one that is there as uploaded again."""
    with transaction.atomic():
        kept, new = Poster.objects.update_or_create(id=poster.digest, defaults={"kept_at": clock.now()})
        if new:
            PosterFile.objects.bulk_create(
                PosterFile(poster=kept, name=name, content=content) for name, content in poster.files.items()
            )
        return kept


def touch(digest: str) -> Poster | None:
    """The poster with this id, for another day at least; or nothing."""
    if not is_poster_id(digest):
        return None
    Poster.objects.filter(pk=digest).update(kept_at=clock.now())
    return Poster.objects.filter(pk=digest).first()


def read_file(digest: str, name: str) -> bytes | None:
    """The bytes of one file, or nothing."""
    if name not in CONTENT_TYPES or not is_poster_id(digest):
        return None
    found = PosterFile.objects.filter(poster_id=digest, name=name).values_list("content", flat=True).first()
    return bytes(found) if found is not None else None


def delete_unused() -> int:
    """Delete the posters that no webinar has had for a day; how many."""
    used = Webinar.objects.filter(poster_id=OuterRef("pk"))
    old = Poster.objects.filter(~Exists(used), kept_at__lt=clock.now() - KEEP_UNUSED_FOR)
    if not old.exists():  # asked every few seconds: the usual answer takes no lock
        return 0
    with transaction.atomic():
        # Locked first: one that is uploaded again at this moment is seen to be, and stays.
        ids = list(old.select_for_update().values_list("pk", flat=True))
        Poster.objects.filter(pk__in=ids).delete()
        return len(ids)
