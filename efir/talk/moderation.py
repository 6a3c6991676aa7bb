"""Moderate a talk: each action changes messages, numbers the change and is recorded in the audit log."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction

from efir.accounts.capabilities import Capability, can
from efir.accounts.models import Person
from efir.audit.actions import Action
from efir.audit.log import record
from efir.hooks.actions import ActionRefused, Code, Context
from efir.lib import clock
from efir.talk.models import Kind, Message, Mute, State
from efir.talk.writing import lock_room, next_change, save_room
from efir.webinars.core import authorize
from efir.webinars.lifecycle import Status
from efir.webinars.models import Webinar


def moderate(webinar_id: int, number: int, action: str, context: Context) -> Message:
    """Hide, show, pin, unpin or answer a message, and return it. Idempotent.

    Raises ActionRefused, and KeyError for another action.
    """
    change, recorded_as = _ACTIONS[action]
    with transaction.atomic():
        authorize(context, Capability.MODERATE_TALK)
        _check_open(webinar_id)
        room = lock_room(webinar_id)
        messages = Message.objects.select_related("person", "webinar").filter(webinar_id=webinar_id)
        message = messages.filter(number=number).first()
        if message is None:
            raise ActionRefused(Code.MESSAGE_NOT_FOUND, f"no message {number}")
        if change(message):
            if action == "pin":  # one is pinned at a time
                for other in messages.filter(pinned=True).exclude(pk=message.pk):
                    other.pinned, other.change = False, next_change(room)
                    other.save()
            if message.is_public and message.shown_at is None:
                message.shown_at = clock.now()
            message.change = next_change(room)
            message.save()
            save_room(room)
            record(recorded_as, context, webinar_id=webinar_id, person_id=message.person_id, message=number)
        return message


def mute(webinar_id: int, person_id: int, on: bool, context: Context) -> None:
    """Hide everything that a person wrote and will write from all others, or show it again. Idempotent.

    The author goes on seeing it as shown. Somebody who moderates cannot be muted.
    """
    with transaction.atomic():
        authorize(context, Capability.MODERATE_TALK)
        _check_open(webinar_id)
        person = Person.objects.filter(pk=person_id).first()
        if person is None:
            raise ActionRefused(Code.PERSON_NOT_FOUND, f"no person {person_id}")
        if on and can(person, Capability.MODERATE_TALK):
            raise ActionRefused(Code.PERSON_MODERATES)
        room = lock_room(webinar_id)
        known = Mute.objects.filter(webinar_id=webinar_id, person=person)
        if known.exists() == on:
            return
        if on:
            Mute.objects.create(webinar_id=webinar_id, person=person)
        else:
            known.delete()
        messages = list(Message.objects.filter(webinar_id=webinar_id, person=person, muted=not on))
        for message in messages:
            message.muted, message.change = on, next_change(room)
            message.pinned = message.pinned and not on
            if message.is_public and message.shown_at is None:
                message.shown_at = clock.now()
        Message.objects.bulk_update(messages, ["muted", "change", "pinned", "shown_at"], batch_size=100)
        save_room(room)
        recorded_as = Action.TALK_MUTED if on else Action.TALK_UNMUTED
        record(recorded_as, context, webinar_id=webinar_id, person_id=person_id, messages=len(messages))


def _check_open(webinar_id: int) -> None:
    webinar = Webinar.objects.filter(pk=webinar_id).first()
    if webinar is None:
        raise ActionRefused(Code.NOT_FOUND, f"no webinar {webinar_id}")
    if webinar.state is Status.ARCHIVED:
        raise ActionRefused(Code.LOCKED, "an archived webinar does not change")


# Each of these changes the message and returns whether anything changed.


def _hide(message: Message) -> bool:
    if message.state == State.HIDDEN:
        return False
    message.state, message.pinned = State.HIDDEN, False
    return True


def _show(message: Message) -> bool:
    """Show a held or hidden message; an answered question of one person is shown to all."""
    if not message.text:
        raise ActionRefused(Code.MESSAGE_INVALID_STATE, "an erased message stays empty")
    if message.state != State.SHOWN or message.muted:
        message.state, message.muted = State.SHOWN, False
        return True
    if message.private and message.answered_at is None:
        raise ActionRefused(Code.MESSAGE_INVALID_STATE, "answer the question before you show it to everybody")
    was_private, message.private = message.private, False
    return was_private


def _pin(message: Message) -> bool:
    if not message.is_public:
        raise ActionRefused(Code.MESSAGE_INVALID_STATE, "only public messages can be pinned")
    if message.pinned:
        return False
    message.pinned = True
    return True


def _unpin(message: Message) -> bool:
    was_pinned, message.pinned = message.pinned, False
    return was_pinned


def _answer(message: Message) -> bool:
    if message.kind != Kind.QUESTION:
        raise ActionRefused(Code.MESSAGE_INVALID_STATE, "only questions can be answered")
    if message.answered_at:
        return False
    message.answered_at = clock.now()
    started_at = message.webinar.started_at
    if started_at and message.webinar.is_on_air:
        message.answered_minute = max(0, int((message.answered_at - started_at).total_seconds() // 60))
    return True


_ACTIONS: dict[str, tuple[Callable[[Message], bool], Action]] = {
    "hide": (_hide, Action.TALK_HIDDEN),
    "show": (_show, Action.TALK_SHOWN),
    "pin": (_pin, Action.TALK_PINNED),
    "unpin": (_unpin, Action.TALK_UNPINNED),
    "answer": (_answer, Action.TALK_ANSWERED),
}
ACTIONS = tuple(_ACTIONS)
