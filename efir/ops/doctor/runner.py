"""`efir doctor`: check an installation, and say what to do about each problem.

It changes nothing, migrates nothing, and prints no secret. Checks yield messages of Django's system check framework:
`obj` is the name of the check, `msg` the result, and `hint` what to do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator

from django.core import checks
from django.db import Error as DatabaseError

from efir.ops.doctor import machine, services

# Django's level → its name in JSON, its mark in a line.
LEVELS = {checks.INFO: ("ok", "✓"), checks.WARNING: ("warning", "!"), checks.ERROR: ("failed", "✗")}
CHECKS: tuple[Callable[[], Iterable[checks.CheckMessage]], ...] = (*machine.CHECKS, *services.CHECKS)


def run_doctor(*, as_json: bool) -> int:
    """Run all checks and print their messages; return the exit code: 1 if something does not work."""
    messages = []
    for message in _messages():
        messages.append(message)
        if not as_json:
            advice = f"\n    → {message.hint}" if message.hint else ""
            print(f"{LEVELS[message.level][1]} {message.obj}: {message.msg}{advice}", flush=True)
    if as_json:
        found = [
            {"check": each.obj, "level": LEVELS[each.level][0], "detail": each.msg, "advice": each.hint or ""}
            for each in messages
        ]
        print(json.dumps(found, ensure_ascii=False))
    return int(any(message.level >= checks.ERROR for message in messages))


def _messages() -> Iterator[checks.CheckMessage]:
    for check in CHECKS:
        name = check.__name__.replace("_", " ")
        try:
            yield from check()
        except DatabaseError:
            detail = "not checked: the database does not answer"
            yield checks.Warning(detail, "see the line about the database", name)
        except Exception as exc:  # only its class is named: its text might hold an address with a password
            yield checks.Error(f"could not be checked ({type(exc).__name__})", "check it by hand", name)
