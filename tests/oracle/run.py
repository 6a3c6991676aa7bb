"""Runs evenings one after the other, and compares each verdict with what the clients know."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.oracle.driver import Driver
from tests.oracle.evening import Evening, write_evening
from tests.oracle.evidence import Served
from tests.oracle.installation import Installation, database
from tests.oracle.judge import Judge
from tools.tmpfs import memory_dir

# A process that hung is waited for, and a killed one's lease has to run out.
VERDICTS_WITHIN_S = 180.0


@dataclass(frozen=True)
class Options:
    """What to run: the number of evenings and people, the database; `scenarios` overrides the faults."""

    people: int
    postgres: bool
    scenarios: tuple[str, ...] = ()
    watching: bool = False


@dataclass
class Result:
    """One evening. `wrong`: a text for each verdict that is wrong, with the person's whole story."""

    evening: Evening
    verdicts: Counter[str] = field(default_factory=Counter)
    one_right: int = 0
    flush_s: float = 0.0
    wrong: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        where = "postgres" if self.evening.processes > 1 else "sqlite"
        return f"seed {self.evening.seed} on {where}: {self.evening.scenario}"


def hold_evenings(seeds: Sequence[int], options: Options) -> Iterator[Result]:
    """Run the evening of each seed, each on an installation and a database server of its own."""
    for seed in seeds:
        evening = write_evening(
            seed,
            options.people,
            postgres=options.postgres,
            scenarios=options.scenarios,
            watching=options.watching,
        )
        data_dir = Path(tempfile.mkdtemp(prefix="efir-oracle-", dir=memory_dir()))
        try:
            with database(options.postgres) as url:
                yield hold_evening(evening, data_dir, url)
        except Exception as exc:
            failed = Result(evening)
            failed.wrong.append(
                f"{failed.title}: the evening failed: {''.join(traceback.format_exception(exc))}"
            )
            yield failed
        finally:
            shutil.rmtree(data_dir, ignore_errors=True)


def hold_evening(evening: Evening, data_dir: Path, database_url: str) -> Result:
    """Run one evening and judge everybody."""
    installation = Installation(data_dir, database_url, evening)
    driver = Driver(evening, installation)
    try:
        installation.start()
        if database_url:
            installation.note_database()
        asyncio.run(driver.hold())
        installation.wait_for_verdicts(VERDICTS_WITHIN_S)
        lines = installation.lines("verdicts", "--webinar", str(installation.webinar))
        journal = installation.lines("journal", "--webinar", str(installation.webinar))
        verified = installation.run("verify")
    except Exception as exc:
        exc.add_note(installation.site.log.read_text()[-5000:])
        raise
    finally:
        installation.stop()
    events = [(line["event"], line["lead"]) for line in journal]
    result = judge(evening, driver, {line["lead"]: line for line in lines}, events)
    if verified.returncode:
        result.wrong.append(f"{result.title}: `efir verify` fails:\n{verified.stdout}{verified.stderr}")
    return result


def judge(
    evening: Evening, driver: Driver, lines: dict[str, dict[str, Any]], journal: Sequence[tuple[str, str]]
) -> Result:
    """Compare everybody's verdict and events with what is right."""
    result = Result(evening, flush_s=driver.evidence.flush_s)
    court = Judge(driver.evidence)
    events = Counter(journal)
    for story in driver.stories:
        served = served_from(lines.pop(story.login)) if story.login in lines else None
        allowed = court.allowed(story)
        result.verdicts[served.reason if served else "none"] += 1
        result.one_right += len(allowed.reasons) == 1
        complaint = court.complaint(story, served) or complaint_of_events(story.login, served, events)
        if complaint:
            result.wrong.append(
                f"{result.title}: {story.login} ({story.kind}): {complaint}\n"
                f"  {story}\n  {served}\n  {asdict(driver.evidence)}\n  grace {evening.grace_s:g}, settle "
                f"{evening.settle_s:g}, faults {evening.faults}"
            )
    result.wrong += [f"{result.title}: a verdict on nobody known: {line}" for line in lines.values()]
    return result


def served_from(line: dict[str, Any]) -> Served:
    """Read one line of `efir verdicts`."""
    return Served(
        reason=line["reason"],
        attended=line["attended"],
        rule=line["rule"],
        present_s=line["present_s"],
        intervals=tuple(map(tuple, line["intervals"])),
        why_unknown=line["why_unknown"] or "",
        recomputed=line["recomputed"],
        watched_s=line.get("watched_s"),
    )


def complaint_of_events(login: str, served: Served | None, events: Counter[tuple[str, str]]) -> str:
    """Return what is wrong with the events about this person: each once, and none for a held verdict."""
    is_known = served is not None and served.attended is not None
    right = {
        "client_webinar_completed": int(served is not None and served.reason == "stayed_to_end"),
        "client_webinar_attendance_classified": int(is_known),
        "post_webinar_route": int(is_known),
    }
    wrong = {event: events[event, login] for event, count in right.items() if events[event, login] != count}
    if events["client_webinar_entered", login] > 1:
        wrong["client_webinar_entered"] = events["client_webinar_entered", login]
    return f"events {wrong}; right: {right}" if wrong else ""
