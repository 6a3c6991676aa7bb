"""Makes and changes a webinar with people who asked to be reminded of it: `python -m tests.support.reminded COUNT`.

Instead of COUNT, `move` postpones the start by a minute, and `start` starts the webinar.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta

import django

CHAT = 2_000_000
# The reminder's time has come, the start has not.
STARTS_IN = timedelta(minutes=40)


def fill(count: int) -> None:
    """Write the webinar, and people with a seat, a chat and reminders since yesterday."""
    from django.db import transaction

    from efir.accounts.capabilities import Role
    from efir.accounts.services import NewPerson, create_people
    from efir.hooks.actions import Context, Source
    from efir.lib import clock
    from efir.telegram.models import TelegramChat
    from efir.telegram.reminders import announcement
    from efir.webinars import core
    from efir.webinars.models import Seat

    system = Context(None, Source.SYSTEM)
    fields = {"title": "Эфир", "starts_at": clock.now() + STARTS_IN, "player_url": "https://rutube.ru/x"}
    webinar = core.publish(core.create(fields, system).pk, system)
    new = [NewPerson(f"seat{number}", f"Имя {number}", Role.CANDIDATE, "", None) for number in range(count)]
    with transaction.atomic():
        people = create_people(new, system)
    TelegramChat.objects.bulk_create(
        TelegramChat(person=person, chat_id=CHAT + number) for number, person in enumerate(people)
    )
    asked = {"remind_since": clock.now() - timedelta(days=1), "announced": announcement(webinar)}
    Seat.objects.bulk_create(Seat(webinar=webinar, person=person, **asked) for person in people)


def change(what: str) -> None:
    """Move the webinar or start it, through Core."""
    from efir.hooks.actions import Context, Source
    from efir.webinars import core
    from efir.webinars.models import Webinar

    system, webinar = Context(None, Source.SYSTEM), Webinar.objects.get()
    if what == "start":
        core.core_webinar_set_status(webinar.pk, "start", system)
    elif webinar.starts_at:
        core.update(webinar.pk, {"starts_at": webinar.starts_at + timedelta(minutes=1)}, system)


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "efir.settings"
    django.setup()
    from efir.server.migrate import migrate

    migrate()
    if sys.argv[1].isdigit():
        fill(int(sys.argv[1]))
    else:
        change(sys.argv[1])
