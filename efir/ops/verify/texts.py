"""Notes on texts that this version would clean: those of older versions, and those written with SQL.

They are no contradictions, so they change no exit code. The texts themselves may be private and are not shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from efir.accounts.models import Person, normalize_login, search_name
from efir.accounts.validators import holds_address
from efir.lib.phone import normalize_phone
from efir.lib.text import clean_line
from efir.webinars.models import Webinar

LINES = ("title", "speaker_name", "cta_text")


def notes() -> Iterator[str]:
    """Yield a sentence for each text with invisible characters, and for each name that searches do not find."""
    yield from _person_notes()
    for webinar in Webinar._base_manager.order_by("pk").iterator():
        differing = [field for field in LINES if _has_unseen(getattr(webinar, field))]
        if _has_unseen(" ".join(webinar.description.split())):
            differing.append("description")
        for field in differing:
            todo = "save it again on the speaker's page, while it can change"
            yield _note(f"webinar id={webinar.pk}", field, todo)


def _person_notes() -> Iterator[str]:
    people = (
        Person.objects.filter(erased_at=None)
        .order_by("pk")
        .only("pk", "login", "name", "phone", "search_name")
    )
    for person in people.iterator():
        row, cleaned = f"person id={person.pk}", normalize_login(person.login)
        if person.login != cleaned:
            twin = Person.objects.filter(login=cleaned).values_list("pk", flat=True).first()
            if twin:
                yield (
                    f"note: {row}: its login differs from that of person id={twin} only in its spelling, and "
                    f"logging in with either leads to id={twin}. To do: decide with the person which account to keep."
                )
            else:
                yield _note(
                    row,
                    "login",
                    "set it with SQL to its visible characters: otherwise nobody can log in with it",
                )
        if person.phone and person.phone != normalize_phone(person.phone):
            yield f"note: {row}: its phone is not spelled as a number. To do: ask the person to save it again."
        if _has_unseen(person.name):
            yield _note(row, "name", "set it with SQL to its visible characters")
        elif holds_address(person.name):
            yield f"note: {row}: its name contains an address, which messages show. To do: set another with SQL."
        elif person.search_name != search_name(person.name):
            yield f"note: {row}: searches do not find its name. To do: set search_name with SQL to it, in lower case."


def _has_unseen(line: str) -> bool:
    """Return whether cleaning changes more than the number of blanks."""
    return " ".join(re.split("[ \u00a0]+", line.strip())) != clean_line(line)


def _note(row: str, field: str, todo: str) -> str:
    return f"note: {row}: its {field} has invisible characters. To do: {todo}."
