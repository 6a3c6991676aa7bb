"""`python -m tests.oracle.crowd LEADS OTHERS`: people with sessions, a speaker, and a scheduled webinar.

Prints one JSON object: the webinar's id, and [login, Cookie header] of each candidate, partner, and the speaker.
"""

from __future__ import annotations

import json
import os
import sys

import django


def fill(leads: int, others: int) -> dict[str, object]:
    """Create the rows; return the object to print."""
    from django.conf import settings

    from benchmarks.people import CSRF, create_people, log_in, scheduled_webinar
    from efir.accounts.capabilities import Role

    people = [
        *create_people(leads, prefix="candidate"),
        *create_people(others, Role.PARTNER, prefix="partner"),
        *create_people(1, Role.SPEAKER, prefix="speaker"),
    ]
    cookies = [f"{cookie}; {settings.CSRF_COOKIE_NAME}={CSRF}" for cookie in log_in(people)]
    logins = [[person.login, cookie] for person, cookie in zip(people, cookies, strict=True)]
    return {"webinar": scheduled_webinar().pk, "people": logins, "csrf": CSRF}


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "efir.settings"
    django.setup()
    from efir.server.migrate import migrate

    migrate()
    print(json.dumps(fill(*map(int, sys.argv[1:]))))
