"""Personal data of this app: a person's chat and the messages to and about them. Export and erasure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Q
from django.dispatch import receiver

from efir.accounts.erasure import erasing
from efir.accounts.models import Person
from efir.accounts.personal_data import Row, section
from efir.telegram.models import (
    ERASED_TEXT,
    ChatNotice,
    Ineligible,
    LinkToken,
    MessageState,
    OutboxMessage,
    TelegramChat,
)
from efir.telegram.outbox.queries import requeue

_OPEN = (MessageState.WAITING_LINK, MessageState.WAITING_RECORDING, MessageState.QUEUED)


@section("telegram")
def _chat(person: Person) -> Iterable[Row]:
    chats = TelegramChat.objects.filter(person=person)
    return chats.values("chat_id", "linked_at", "reachable", "unreachable_reason", "reset_from")


@section("telegram_invitations")
def _invitations(person: Person) -> Iterable[Row]:
    return LinkToken.objects.filter(person=person).order_by("pk").values("expires_at", "used_at")


@section("asked_of_the_bot")
def _notices(person: Person) -> Iterable[Row]:
    return ChatNotice.objects.filter(login=person.login).values("purpose", "created_at")


@section("messages")
def _messages(person: Person) -> Iterable[Row]:
    # To the person and about them; a text only if it names nobody else.
    for row in OutboxMessage.objects.filter(Q(person=person) | Q(lead=person)).order_by("pk").iterator():
        is_own = row.person_id == row.lead_id == person.pk
        yield {
            "webinar_id": row.webinar_id,
            "kind": row.kind,
            "to_you": row.person_id == person.pk,
            "about_you": row.lead_id == person.pk,
            "state": row.state,
            "created_at": row.created_at,
            "sent_at": row.sent_at,
            "chat_id": row.chat_id if row.person_id == person.pk else None,
            "text": row.text if is_own else None,
        }


@section("messages_you_handled")
def _handled(person: Person) -> Iterable[Row]:
    # Messages that the person caused by a decision, sent again, or said to have arrived.
    hands = Q(caused_by=person) | Q(retried_by=person) | Q(resolved_by=person)
    return OutboxMessage.objects.filter(hands).order_by("pk").values("webinar_id", "kind", "state")


@receiver(erasing, dispatch_uid="efir.telegram.erasing")
def forget(person: Person, **kwargs: Any) -> None:
    """Delete the chat and its link tokens, cancel pending messages, and clear every text that names the person."""
    # Tokens first: a token that is used at this moment links a chat that is deleted next, or nothing.
    LinkToken.objects.filter(person=person).delete()
    TelegramChat.objects.filter(person=person).delete()
    ChatNotice.objects.filter(login=person.login).delete()
    _cancel_pending(person)
    _clear_texts(person)


def _cancel_pending(person: Person) -> None:
    about = OutboxMessage.objects.filter(lead=person)
    # A claimed call that has not begun must not name the person: it is composed again without the name.
    calls = about.filter(state=MessageState.SENDING, attempt_id__isnull=False).values_list(
        "attempt_id", flat=True
    )
    requeue(OutboxMessage.objects.filter(attempt_id__in=list(calls), text=""))
    own = OutboxMessage.objects.filter(person=person).exclude(state=MessageState.SENT)
    gone = {
        "state": MessageState.EXPIRED,
        "expires_at": None,
        "error": Ineligible.PERSON_ERASED,
        "holder": None,
    }
    own.update(**gone, attempt_id=None)
    undecided = (MessageState.FAILED, MessageState.UNCERTAIN)
    about.filter(state__in=(*_OPEN, *undecided)).update(**gone, attempt_id=None)


def _clear_texts(person: Person) -> None:
    # Messages that went out as one have one text, so all of them lose it.
    about = OutboxMessage.objects.filter(lead=person)
    together = Q(batch__in=list(about.exclude(batch=None).values_list("batch", flat=True).distinct()))
    OutboxMessage.objects.filter(Q(person=person) | Q(lead=person) | together).exclude(text="").update(
        text=ERASED_TEXT
    )
    OutboxMessage.objects.filter(person=person).update(chat_id=None, message_id=None)
