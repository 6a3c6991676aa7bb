"""Fills an installation with messages that are due: `python -m tests.support.backlog COUNT`.

The three kinds take turns; each message has a receiver with a chat of their own.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import django

CHAT = 1_000_000
KINDS = ("partner_attendance", "candidate_followup", "candidate_recording")


def fill(count: int) -> None:
    """Write the people, their chats, one verdict each and one message each."""
    from django.db import transaction

    from efir.lib import clock
    from efir.telegram.models import Kind
    from efir.telegram.outbox.enqueue import NewMessage, enqueue

    with transaction.atomic():
        webinar_id = _finished()
        leads = _people("lead", count, "candidate")
        inviters = _people("inviter", count, "partner")
        receivers = [
            inviter if number % 3 == 0 else lead
            for number, (lead, inviter) in enumerate(zip(leads, inviters, strict=True))
        ]
        _link(receivers)
        _judge(webinar_id, leads)
        now = clock.now()
        enqueue(
            [
                NewMessage(
                    webinar_id=webinar_id,
                    lead_id=lead.pk,
                    person_id=receiver.pk,
                    kind=Kind(KINDS[number % 3]),
                    cause_at=now,
                )
                for number, (lead, receiver) in enumerate(zip(leads, receivers, strict=True))
            ]
        )


def _finished() -> int:
    from efir.hooks.actions import Context, Source
    from efir.lib import clock
    from efir.webinars import core

    system = Context(None, Source.SYSTEM)
    fields = {"title": "Эфир", "starts_at": clock.now(), "player_url": "https://rutube.ru/x"}
    webinar_id = core.create(fields, system).pk
    core.publish(webinar_id, system)
    for action in ("start", "stop"):
        core.core_webinar_set_status(webinar_id, action, system)
    core.publish_recording(webinar_id, "https://rutube.ru/video/1/", system)
    return webinar_id


def _people(name: str, count: int, role: str) -> list[Any]:
    from django.contrib.auth.models import Group

    from efir.accounts.models import Membership, Person

    people = Person.objects.bulk_create(
        [Person(login=f"{name}{n}", name=f"{name} {n}") for n in range(count)]
    )
    group = Group.objects.get(name=role)
    Membership.objects.bulk_create([Membership(person=person, group=group) for person in people])
    return people


def _link(people: list[Any]) -> None:
    from efir.telegram.models import TelegramChat

    TelegramChat.objects.bulk_create(
        [TelegramChat(person=person, chat_id=CHAT + person.pk) for person in people]
    )


def _judge(webinar_id: int, leads: list[Any]) -> None:
    from efir.attendance.models import Classification, Verdict
    from efir.lib import clock

    now = clock.now()
    verdict = {"attended": False, "reason": "no_show", "rule": "", "intervals": [], "present_s": 0}
    Verdict.objects.bulk_create(
        [Verdict(webinar_id=webinar_id, lead=lead, classified_at=now, **verdict) for lead in leads]
    )
    Classification.objects.create(webinar_id=webinar_id, done_at=now)


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "efir.settings"
    django.setup()
    from efir.server.migrate import migrate

    migrate()
    fill(int(sys.argv[1]))
