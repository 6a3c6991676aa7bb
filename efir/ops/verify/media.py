"""Check that the files of media and the rows that name them agree."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import chain

from efir.broadcast import media
from efir.broadcast.models import BroadcastSession, LowSegment, Recording, RecordingState, Segment
from efir.ops.verify.issue import Issue

CHUNK = 2000
PUT_BACK = (
    "put the files back into EFIR_MEDIA_DIR (they are not in a backup), or accept that this recording is lost"
)


def issues() -> Iterator[Issue]:
    """Yield an issue for each webinar whose rows name files that are not there."""
    stored = set(media.store().names())
    named, missing = Counter[int](), Counter[int]()
    for webinar_id, names in _named():
        named[webinar_id] += len(names)
        missing[webinar_id] += len(names - stored)
    for webinar_id, count in sorted(missing.items()):
        if count:
            wrong = f"{count} of {named[webinar_id]} files are missing"
            yield Issue("media", {"webinar": webinar_id}, wrong, PUT_BACK)


def notes() -> Iterator[str]:
    """Yield a sentence for each webinar with files that no row names: a process ended before it wrote the row."""
    known: dict[int, set[str]] = defaultdict(set)
    for webinar_id, names in chain(_named(), _low_named()):
        known[webinar_id] |= names
    unnamed: Counter[int] = Counter()
    for name in media.store().names():
        webinar_id = int(name.partition("/")[0])
        unnamed[webinar_id] += name not in known[webinar_id]
    at_work = set(BroadcastSession.objects.filter(finished=False).values_list("webinar_id", flat=True))
    at_work |= set(
        Recording.objects.filter(state=RecordingState.PREPARING).values_list("webinar_id", flat=True)
    )
    for webinar_id, count in sorted(unnamed.items()):
        if count and webinar_id not in at_work:
            yield (
                f"note: media webinar={webinar_id}: {count} files without a webinar. To do: delete them, or leave them."
            )


def _named() -> Iterator[tuple[int, set[str]]]:
    rows = Segment.objects.values_list("webinar_id", "name", "init", "audio_name", "audio_init")
    for webinar_id, *names in rows.iterator(CHUNK):
        yield webinar_id, {name for name in names if name}
    ready = Recording.objects.filter(state=RecordingState.READY).exclude(file="")
    for webinar_id, name in ready.values_list("webinar_id", "file"):
        yield webinar_id, {name}


def _low_named() -> Iterator[tuple[int, set[str]]]:
    """Yield the names in the lower rung. Missing files are no issue: it is played for a minute, and not recorded."""
    for webinar_id, *names in LowSegment.objects.values_list("webinar_id", "name", "init").iterator(CHUNK):
        yield webinar_id, set(names)
