"""Turn encoded segments of the lower rung into files and rows: the files first, then the row, fenced by the lease."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from efir.broadcast import lease, media
from efir.broadcast.committer import segments_changed
from efir.broadcast.models import LowSegment, Segment
from efir.lib import metrics


class LowCommitter:
    """Commits the lower rung of one webinar while the lease is held, in the order of its segments."""

    def __init__(self, webinar_id: int, held: tuple[int, UUID, int]) -> None:
        self._webinar_id, self._lease = webinar_id, held
        # The last initialization segment and its name. An earlier one may have been deleted: see `media_retention`.
        self._init = (b"", "")

    def commit(self, segment: Segment, init: bytes, content: bytes) -> None:
        """Write the files, then the row. Raises LeaseLost, NoSpace, OSError, database errors."""
        store = media.store()
        name = media.new_name(self._webinar_id)
        if self._init[0] != init:
            init_name = media.new_name(self._webinar_id)
            store.save(init_name, init)
            self._init = init, init_name
        try:
            store.save(name, content)
            with transaction.atomic():
                lease.check(*self._lease)
                rows = LowSegment.objects.select_related("segment").filter(webinar_id=self._webinar_id)
                last = rows.order_by("-live_number").first()
                LowSegment.objects.create(
                    webinar_id=self._webinar_id,
                    segment=segment,
                    name=name,
                    init=self._init[1],
                    size=len(content),
                    live_number=last.live_number + 1 if last else 0,
                    live_break=_break_of(last, segment),
                )
        except BaseException:
            store.delete(name)
            raise
        metrics.BROADCAST_SEGMENTS.labels("low").inc()
        segments_changed.send(sender=LowSegment, webinar_id=self._webinar_id)


def _break_of(last: LowSegment | None, segment: Segment) -> int:
    """Return the discontinuity sequence: a break is where the full rung has one, and where segments were left out."""
    if last is None:
        return 0
    before = last.segment
    assert before.live_number is not None  # noqa: S101  # no other is encoded
    follows = (before.live_number + 1, before.live_break) == (segment.live_number, segment.live_break)
    return last.live_break if follows else last.live_break + 1
