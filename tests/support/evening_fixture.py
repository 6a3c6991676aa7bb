"""Two webinars for the tests of backups: `python -m tests.support.evening_fixture COUNT`.

The first has just ended, with nobody in its room; the second is on air. Each of COUNT candidates, invited by one
partner, holds a seat in both. Everybody has linked a chat.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from uuid import uuid4

import django

CHAT = 3_000_000


def fill(count: int) -> None:
    from django.db import transaction

    from efir.accounts.capabilities import Role
    from efir.accounts.services import create_person
    from efir.hooks.actions import Context, Source
    from efir.lib import clock
    from efir.room.models import Recorder
    from efir.telegram.models import TelegramChat
    from efir.webinars import core
    from tests.conftest import PASSWORD

    system = Context(None, Source.SYSTEM)
    with transaction.atomic():
        for role in (Role.ADMIN, Role.SPEAKER):
            create_person(login=role, name=role, role=role, password=PASSWORD)
        partner = create_person(login="partner", name="Партнёр", role=Role.PARTNER, password=None)
        people = [
            create_person(
                login=f"candidate{number}",
                name=f"Кандидат №{number}.",
                role=Role.CANDIDATE,
                password=PASSWORD if number < 3 else None,
                invited_by=partner,
            )
            for number in range(count)
        ]
        for person in (partner, *people):
            TelegramChat.objects.create(person=person, chat_id=CHAT + person.pk)
        now = clock.now()
        # The first webinar was seen by a process that ended well.
        seen = {"started_at": now - timedelta(hours=1), "pulsed_at": now + timedelta(seconds=2)}
        Recorder.objects.create(id=uuid4(), closed_at=seen["pulsed_at"], **seen)
        for title in ("Первый", "Второй"):
            fields = {"title": title, "starts_at": now, "player_url": "https://rutube.ru/x"}
            webinar = core.create(fields, system)
            core.publish(webinar.pk, system)
            for person in people:
                core.book_seat(webinar.pk, person)
            core.core_webinar_set_status(webinar.pk, "start", system)
            if title == "Первый":
                core.core_webinar_set_status(webinar.pk, "stop", system)


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "efir.settings"
    django.setup()
    from efir.server.migrate import migrate

    migrate()
    from efir.server import secret_key

    secret_key.confirm()
    fill(int(sys.argv[1]))
