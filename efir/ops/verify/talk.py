"""Check the messages of the rooms: numbers, pinned and answered ones, and that erased people's texts are empty."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import F, Q

from efir.ops.verify.issue import Issue
from efir.talk.models import Kind, Message, State

_WRONG = {
    "its number is above its change": Q(number__gt=F("change")),
    "its webinar's counter is missing": Q(webinar__talk_room=None),
    "its change is above its webinar's counter": Q(change__gt=F("webinar__talk_room__last_change")),
    "it is answered, but is not a question": ~Q(kind=Kind.QUESTION) & Q(answered_at__isnull=False),
    "everybody sees it, but the time of that is missing": Q(
        state=State.SHOWN, muted=False, private=False, shown_at=None
    ),
    "it is pinned, but not everybody sees it": Q(pinned=True)
    & (~Q(state=State.SHOWN) | Q(muted=True) | Q(private=True)),
    "its person is erased, but its text is not": Q(person__erased_at__isnull=False) & ~Q(text=""),
}


def issues() -> Iterator[Issue]:
    """Yield every message that contradicts a rule."""
    for wrong, condition in _WRONG.items():
        rows = Message.objects.filter(condition).order_by("webinar_id", "number")
        for webinar_id, number in rows.values_list("webinar_id", "number").iterator():
            yield Issue("message", {"webinar": webinar_id, "id": number}, wrong)
