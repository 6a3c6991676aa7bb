"""Link a chat to a person, move the link, and remove it.

Each is recorded in the audit log, and the old chat is notified.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.db import transaction

from efir.accounts.models import Person
from efir.audit.actions import Action
from efir.audit.log import record
from efir.audit.models import AuditEntry
from efir.hooks.actions import Context, Source
from efir.lib import clock
from efir.telegram.models import LinkToken, Purpose, TelegramChat
from efir.telegram.notices import warn_owner
from efir.telegram.outbox.enqueue import release_for_link

# For this long after a move the new chat gets no password link, so that the owner can read the notice in the old chat.
RESET_HELD_FOR = timedelta(hours=24)

log = structlog.get_logger(__name__)


def link(person: Person, chat_id: int) -> None:
    """Link a chat to a person and release the messages that waited for it. Earlier links of either are removed.

    If the person had another chat before, that chat is notified, and password links are held back for a day.
    """
    now, context = clock.now(), Context(person.pk, Source.SYSTEM)
    with transaction.atomic():
        Person.objects.select_for_update(no_key=True).get(pk=person.pk)
        for taken in TelegramChat.objects.filter(chat_id=chat_id).exclude(person=person):
            record(Action.TELEGRAM_UNLINKED, Context(None, Source.SYSTEM), person_id=taken.person_id)
            taken.delete()
        chat = TelegramChat.objects.filter(person=person).first()
        if chat is None or chat.chat_id != chat_id:
            had_a_chat = chat is not None or _was_linked(person)
            if chat is not None:
                warn_owner(Purpose.CHAT_MOVED, person, chat.chat_id)
            record(
                Action.TELEGRAM_LINKED if chat is None else Action.TELEGRAM_MOVED,
                context,
                person_id=person.pk,
            )
            chat = chat or TelegramChat(person=person)
            chat.chat_id, chat.linked_at = chat_id, now
            chat.reset_from = now + RESET_HELD_FOR if had_a_chat else None
        chat.reachable, chat.unreachable_reason = True, ""
        chat.save()
        # Other links of the person, which somebody may have seen on a screen, stop working.
        LinkToken.objects.filter(person=person, used_at=None).update(used_at=now)
        release_for_link(person)
    log.info("telegram_linked", person_id=person.pk)


def unlink(person: Person, context: Context, *, notify_chat: bool = True) -> bool:
    """Delete the person's chat and one-time links; messages wait for a new link. Return whether there was a chat.

    `notify_chat` is False if the chat itself asks, because the bot's reply says it.
    """
    with transaction.atomic():
        Person.objects.select_for_update(no_key=True).get(pk=person.pk)
        LinkToken.objects.filter(person=person, used_at=None).delete()
        chat = TelegramChat.objects.filter(person=person).first()
        if chat is None:
            return False
        record(Action.TELEGRAM_UNLINKED, context, person_id=person.pk)
        if notify_chat:
            warn_owner(Purpose.CHAT_UNLINKED, person, chat.chat_id)
        chat.delete()
    log.info("telegram_unlinked", person_id=person.pk)
    return True


def _was_linked(person: Person) -> bool:
    # Unlinking and linking again is a move, too. The audit log contains no chats, so linking the same chat again counts
    # as well.
    before = (Action.TELEGRAM_LINKED, Action.TELEGRAM_MOVED, Action.TELEGRAM_UNLINKED)
    return AuditEntry.objects.filter(person_id=person.pk, action__in=before).exists()
