"""Run the doctor's checks one after another and print what they find."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from django.db import Error as DatabaseError

from efir.ops.doctor import address, database, machine, telegram
from efir.ops.doctor.report import Check, Finding, failed, warning


def run_doctor(*, as_json: bool) -> int:
    """Look, print, and give the exit code: 1 where something fails."""
    findings = []
    for module in (machine, database, telegram, address):
        for finding in _looked(module.CHECKS):
            findings.append(finding)
            if not as_json:
                print(finding, flush=True)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False))
    return int(any(finding.level == "failed" for finding in findings))


def _looked(checks: Iterable[Check]) -> Iterator[Finding]:
    for check in checks:
        name = check.__name__.replace("_", " ")
        try:
            yield from check()
        except DatabaseError:
            yield warning(
                name, "not looked at: the database does not answer", "see the line about the database"
            )
        except Exception as exc:  # named by its class alone: the text might hold an address with a password
            yield failed(name, f"could not be looked at ({type(exc).__name__})", "look at it by hand")
