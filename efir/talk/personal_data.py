"""Personal data of this app: what a person wrote in the rooms, and where they are muted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.dispatch import receiver

from efir.accounts.erasure import erasing
from efir.accounts.models import Person
from efir.accounts.personal_data import Row, section
from efir.talk.models import Message, Mute, State
from efir.talk.writing import lock_room, next_change, save_room


@section("talk")
def _written(person: Person) -> Iterable[Row]:
    rows = Message.objects.filter(person=person).order_by("webinar_id", "number")
    return rows.values(
        "webinar_id", "number", "kind", "text", "state", "at", "answered_at", "answered_minute"
    ).iterator()


@section("talk_mutes")
def _mutes(person: Person) -> Iterable[Row]:
    return Mute.objects.filter(person=person).order_by("pk").values("webinar_id", "at").iterator()


@receiver(erasing, dispatch_uid="talk")
def empty_messages(sender: type[Person], person: Person, **kwargs: Any) -> None:
    """Clear the text of the person's messages. Open pages get this like any other change."""
    webinar_ids = Message.objects.filter(person=person).order_by("webinar_id")
    for webinar_id in webinar_ids.values_list("webinar_id", flat=True).distinct():
        room = lock_room(webinar_id)
        messages = list(Message.objects.filter(webinar_id=webinar_id, person=person))
        for message in messages:
            message.text, message.state, message.pinned = "", State.HIDDEN, False
            message.change = next_change(room)
        Message.objects.bulk_update(messages, ["text", "state", "pinned", "change"], batch_size=100)
        save_room(room)
    Mute.objects.filter(person=person).delete()
