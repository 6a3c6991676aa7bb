"""`python -m tests.support.crowd COUNT`: log in that many candidates and a speaker, in front of a live webinar.

Prints one JSON object: the webinar's id, and everybody's Cookie header; the speaker's is the last.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import django

if TYPE_CHECKING:
    from tests.support.site import Site


def create_crowd(site: Site, count: int) -> dict[str, Any]:
    """Create the rows in an installation that need not run; return the object."""
    site.prepare()
    command = [sys.executable, "-m", "tests.support.crowd", str(count)]
    made = subprocess.run(command, env=site.environ, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(made.stdout))


def fill(count: int) -> dict[str, object]:
    """Create the rows; return the object to print."""
    from django.conf import settings

    from benchmarks.people import CSRF, create_people, live_webinar, log_in
    from efir.accounts.capabilities import Role

    people = [*create_people(count), *create_people(1, Role.SPEAKER, prefix="s")]
    cookies = [f"{cookie}; {settings.CSRF_COOKIE_NAME}={CSRF}" for cookie in log_in(people)]
    return {"webinar": live_webinar().pk, "cookies": cookies, "csrf": CSRF}


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "efir.settings"
    django.setup()
    print(json.dumps(fill(int(sys.argv[1]))))
