"""Write a message: check whether it is allowed, number it and store it."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.dispatch import Signal

from efir.accounts.capabilities import Capability, can
from efir.accounts.models import Person
from efir.hooks.actions import ActionRefused, Code
from efir.lib import clock
from efir.talk.hidden_words import contains_hidden_word
from efir.talk.links import contains_link
from efir.talk.models import Badge, Kind, Message, Mute, State, TalkRoom
from efir.webinars.lifecycle import ON_AIR, Status
from efir.webinars.models import Hold, Talk, Webinar
from efir.webinars.selectors import visible_webinar

# The interface: what one person may write, and what a room takes from all who do not moderate.
FAST_COUNT, FAST_PERIOD = 3, timedelta(seconds=5)
MAX_ACCEPTED_PER_SECOND = 10
MAX_UNANSWERED_QUESTIONS = 3

# The channel of LISTEN/NOTIFY that carries the ids of webinars whose messages changed.
NOTIFY_CHANNEL = "efir_talk"

# Sent after the commit, with `webinar_id`, in the process that made the change.
talk_changed = Signal()


class TooFast(ActionRefused):
    """One person writes too fast. `wait`: how long until their next message is accepted."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__(Code.TALK_TOO_FAST)
        self.wait = wait


def write_message(
    webinar_id: int, person: Person, text: str, kind: Kind, client_id: UUID
) -> tuple[Message, bool]:
    """Store a message and return it, and whether it is new: the same `client_id` again changes nothing.

    `text` is cleaned and of valid length. Raises ActionRefused with the code that says why.
    """
    if not (can(person, Capability.ENTER_ROOM) and can(person, Capability.WRITE_TALK)):
        raise ActionRefused(Code.FORBIDDEN, Capability.WRITE_TALK)
    webinar = visible_webinar(webinar_id, drafts=can(person, Capability.EDIT_WEBINAR))
    if webinar is None:
        raise ActionRefused(Code.NOT_FOUND)
    moderates = can(person, Capability.MODERATE_TALK)
    if known := _find(webinar_id, person, client_id):
        return known, False
    _check_mode(webinar, kind, moderates=moderates)
    if not moderates and contains_link(text):
        raise ActionRefused(Code.TALK_LINKS)
    with transaction.atomic():
        room = lock_room(webinar_id)
        if known := _find(webinar_id, person, client_id):  # sent twice at the same moment
            return known, False
        now = clock.now()
        is_muted = Mute.objects.filter(webinar=webinar, person=person).exists()
        _check_rate(webinar, person, kind, now, moderates=moderates)
        if not (moderates or is_muted):
            _count_accepted(room)
        number = next_change(room)
        private = webinar.talk == Talk.QUESTIONS and not (moderates and kind == Kind.MESSAGE)
        is_held = not moderates and _is_held(webinar, person, text, private=private)
        message = Message(
            webinar=webinar,
            person=person,
            number=number,
            change=number,
            client_id=client_id,
            kind=kind,
            text=text,
            badge=badge_of(person),
            state=State.HELD if is_held else State.SHOWN,
            muted=is_muted,
            private=private,
            at=now,
        )
        message.shown_at = now if message.is_public else None
        message.save(force_insert=True)
        save_room(room)
        return message, True


def lock_room(webinar_id: int) -> TalkRoom:
    """Lock the counters of this webinar's talk until the transaction ends, so that commits come in one order."""
    rooms = TalkRoom.objects.select_for_update(no_key=True).filter(pk=webinar_id)
    room = rooms.first()
    if room is None:
        TalkRoom.objects.bulk_create([TalkRoom(webinar_id=webinar_id)], ignore_conflicts=True)
        room = rooms.get()
    return room


def next_change(room: TalkRoom) -> int:
    """Return the next number of this talk; `save_room` stores it."""
    room.last_change += 1
    return room.last_change


def save_room(room: TalkRoom) -> None:
    """Store the counters, and tell this process and the others after the commit."""
    room.save()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [NOTIFY_CHANNEL, str(room.pk)])
    transaction.on_commit(partial(talk_changed.send, sender=Message, webinar_id=room.pk))


def delete_of_draft(webinar_id: int, **kwargs: Any) -> None:
    """Delete the messages in a draft's room, written by people who may see drafts. Receives `draft_deleted`."""
    for model in (Message, Mute, TalkRoom):
        model._default_manager.filter(webinar_id=webinar_id).delete()


def badge_of(person: Person) -> Badge:
    """Return what is shown beside the person's name: by capability, as everywhere."""
    if can(person, Capability.MODERATE_TALK):
        return Badge.SPEAKER
    return Badge.PARTNER if can(person, Capability.SEE_OWN_CANDIDATES) else Badge.NONE


def _find(webinar_id: int, person: Person, client_id: UUID) -> Message | None:
    return Message.objects.filter(webinar_id=webinar_id, person=person, client_id=client_id).first()


def _check_mode(webinar: Webinar, kind: Kind, *, moderates: bool) -> None:
    if webinar.talk in (Talk.OFF, Talk.EMBED):
        raise ActionRefused(Code.TALK_OFF)
    if webinar.withdrawn or webinar.state not in (*ON_AIR, Status.SCHEDULED):
        raise ActionRefused(Code.TALK_CLOSED)
    if webinar.talk == Talk.QUESTIONS and kind != Kind.QUESTION and not moderates:
        raise ActionRefused(Code.TALK_QUESTIONS_ONLY)


def _check_rate(webinar: Webinar, person: Person, kind: Kind, now: datetime, *, moderates: bool) -> None:
    own = Message.objects.filter(webinar=webinar, person=person)
    if kind == Kind.QUESTION:
        unanswered = own.filter(kind=kind, answered_at=None).exclude(state=State.HIDDEN)
        if unanswered.count() >= MAX_UNANSWERED_QUESTIONS:
            raise ActionRefused(Code.TOO_MANY_QUESTIONS)
    latest = list(own.order_by("-at").values_list("at", flat=True)[:FAST_COUNT])
    free_at = [latest[-1] + FAST_PERIOD] if len(latest) == FAST_COUNT else []
    if latest and not moderates:
        free_at.append(latest[0] + timedelta(seconds=webinar.talk_slow_s))
    wait = max(free_at, default=now) - now
    if wait > timedelta():
        raise TooFast(wait)


def _count_accepted(room: TalkRoom) -> None:
    second = int(clock.now().timestamp())
    if room.second != second:
        room.second, room.accepted = second, 0
    if room.accepted >= MAX_ACCEPTED_PER_SECOND:
        raise ActionRefused(Code.TALK_BUSY)
    room.accepted += 1


def _is_held(webinar: Webinar, person: Person, text: str, *, private: bool) -> bool:
    if contains_hidden_word(text, webinar.talk_words):
        return True
    if private or webinar.talk_hold != Hold.FIRST:
        return not private and webinar.talk_hold == Hold.ALL
    # Muting hides what was seen before, and must not show in what comes after.
    return not Message.objects.filter(webinar=webinar, person=person, state=State.SHOWN).exists()
