"""The script of one simulated webinar («evening»), generated from a seed: each person's actions, and the faults.

Moments are seconds since the doors opened. Scripts keep away from the borders of the rule, so that on a quiet machine
most people have one right verdict.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

FOR_EVER = 1e9

# Each evening has one of these, by its seed; after the name, `+` adds another fault to the same evening.
SQLITE_FAULTS = (
    "none",
    "kill",
    "freeze_past_stop",
    "terminate",
    "freeze_15",
    "freeze_in_pause",
    "clock_back",
    "kill_in_pause",
    "freeze_4",
    "kill_before_stop",
    "clock_ahead",
    "freeze_past_stop_in_pause",
    "terminate+freeze_4",
)
POSTGRES_FAULTS = (
    "none",
    "freeze_past_stop",
    "database_restart",
    "kill_in_pause",
    "freeze_15",
    "kill",
    "freeze_in_pause",
    "database_away",
    "freeze_past_stop_in_pause",
    "terminate",
    "kill_before_stop",
    "database_restart+freeze_past_stop",
    "freeze_4+kill_worker",
    "clock_ahead",
    "database_restart+kill",
    "clock_back",
)


@dataclass(frozen=True)
class Fault:
    """A fault of process number `process`: `kind` at `at_s`, undone after `length_s`."""

    kind: str
    at_s: float
    length_s: float
    process: int = 0


@dataclass(frozen=True)
class Leg:
    """One connection to the room that a page holds, reconnecting if it is cut off."""

    opens_s: float
    closes_s: float = FOR_EVER
    process: int = 0
    watching: bool = False


@dataclass(frozen=True)
class Person:
    """What one person does. `returns`: whether their page connects again after it was cut off."""

    kind: str
    legs: tuple[Leg, ...] = ()
    seat_s: float | None = None
    opening_s: float | None = None
    returns: bool = True
    is_lead: bool = True


@dataclass(frozen=True)
class Evening:
    """One evening. `pauses`: when each began and ended; the webinar may be stopped in the last one."""

    seed: int
    scenario: str
    processes: int
    grace_s: float
    settle_s: float
    min_watched: float
    starts_s: float
    stops_s: float
    pauses: tuple[tuple[float, float], ...]
    people: tuple[Person, ...]
    faults: tuple[Fault, ...] = field(default=())


class Writer:
    """Writes the script of one evening."""

    GRACE_S = 5.0
    # Between an action and a border of the rule.
    MARGIN_S = 1.5

    def __init__(self, seed: int, scenario: str, processes: int, count: int, *, watching: bool) -> None:
        source = f"{seed} {scenario} {processes} {count}"
        self.random = random.Random(source)  # noqa: S311  # a script, not a secret
        self.seed, self.scenario, self.processes, self.count = seed, scenario, processes, count
        self.settle_s = self.random.choice((2.0, 5.0))
        self.min_watched = self.random.choice((50.0, 50.0, 0.0)) if watching else 0.0
        self.starts_s = 4.0
        self.faults: list[Fault] = []
        self.pauses: list[tuple[float, float]] = []
        self._write_course()

    def evening(self) -> Evening:
        people = tuple(self._person() for _ in range(self.count))
        return Evening(
            seed=self.seed,
            scenario=self.scenario,
            processes=self.processes,
            grace_s=self.GRACE_S,
            settle_s=self.settle_s,
            min_watched=self.min_watched,
            starts_s=self.starts_s,
            stops_s=self.stops_s,
            pauses=tuple(self.pauses),
            people=people,
            faults=tuple(self.faults),
        )

    def _write_course(self) -> None:
        draw = self.random.uniform
        kinds = self.scenario.split("+")
        length = draw(24, 30) + (10 if {"freeze_15", "freeze_in_pause"} & set(kinds) else 0)
        self.stops_s = self.starts_s + length
        in_pause = [kind for kind in kinds if kind.endswith("in_pause") and "past_stop" not in kind]
        if in_pause:
            # Long enough for those who come in it to be written down before the fault.
            begins = self.starts_s + draw(5, 7)
            self.pauses = [(begins, begins + draw(8, 9))]
        elif "freeze_past_stop_in_pause" in kinds:
            self.pauses = [(self.stops_s - draw(4, 6), FOR_EVER)]
        elif (
            "database" not in self.scenario
        ):  # a button pressed while it is away is pressed at no certain moment
            self._write_pauses(self.random.choice(("none", "none", "one", "one", "two", "last")))
        for kind in kinds:
            self._write_fault(kind)

    def _write_pauses(self, pattern: str) -> None:
        draw = self.random.uniform
        if pattern in ("one", "two"):
            begins = self.starts_s + draw(5, 7)
            self.pauses.append((begins, begins + draw(3, 5)))
        if pattern == "two":
            begins = self.pauses[0][1] + draw(4, 5)
            self.pauses.append((begins, begins + draw(2, 3)))
        if pattern == "last":
            self.pauses.append((self.stops_s - draw(4, 9), FOR_EVER))

    def _write_fault(self, kind: str) -> None:
        draw, start, stop = self.random.uniform, self.starts_s, self.stops_s
        process = self.random.randrange(self.processes)
        # A second fault of the same evening keeps away from the first.
        middle = start + draw(4, 7) if not self.faults else stop - draw(9, 10)
        in_pause = self.pauses[0][0] + draw(5, 6) if self.pauses else middle
        if kind == "kill":
            self._add(
                kind, middle, self.random.choice((0.5, 3.0, FOR_EVER if self.processes > 1 else 6.0)), process
            )
        elif kind == "kill_before_stop":
            self._add("kill", stop - draw(2, 9), draw(3, 12), process)
        elif kind == "kill_in_pause":
            self._add(
                "kill",
                in_pause,
                self.random.choice((0.5, 8.0, FOR_EVER if self.processes > 1 else 5.0)),
                process,
            )
        elif kind == "terminate":
            self._add(kind, middle, draw(0, 1), process)
        elif kind in ("freeze_4", "freeze_15"):
            self._add("freeze", middle, float(kind.partition("_")[2]), process)
        elif kind == "freeze_in_pause":
            self._add("freeze", in_pause, 15.0, process)
        elif kind.startswith("freeze_past_stop"):
            thaws = stop + self.random.choice((self.settle_s - 1.3, self.settle_s - 1.3, 12.0))
            self._add("freeze", min(stop - draw(3, 10), thaws - 12.5), 0.0, process, until=thaws)
        elif kind == "database_restart":
            self._add("database", middle, draw(0.3, 2), 0)
        elif kind == "database_away":
            self._add("database", middle, draw(6, 14), 0)
        elif kind == "kill_worker":
            self._add("kill_worker", stop - draw(1, 3), draw(0, 2), 0)
        elif kind.startswith("clock"):
            jump = self.random.choice((60.0, 3600.0)) * (-1 if kind == "clock_back" else 1)
            self._add("clock", middle, jump, 0)

    def _add(self, kind: str, at_s: float, length_s: float, process: int, until: float = 0.0) -> None:
        self.faults.append(Fault(kind, at_s, until - at_s if until else length_s, process))

    def _person(self) -> Person:
        script = self.random.choices([script for script, _ in SCRIPTS], [weight for _, weight in SCRIPTS])[0]
        if self.faults and self.random.random() < 0.25:
            waits = "kill_in_pause" in self.scenario or "freeze_in_pause" in self.scenario
            script = self.random.choice([*AT_FAULTS, *[Writer.waits_in_the_pause_of_the_fault] * 6 * waits])
        legs = [leg for leg in script(self) if leg.opens_s < leg.closes_s]
        person = Person(
            kind=script.__name__,
            legs=tuple(legs),
            seat_s=self.random.uniform(0.2, self.stops_s - 2) if self.random.random() < 0.5 else None,
            returns=self.random.random() < 0.6,
            is_lead=self.random.random() > 0.03,
        )
        return self._watching(person) if self.min_watched and legs else person

    def _watching(self, person: Person) -> Person:
        """Let the person open the broadcast: from then on their pages open watching streams."""
        mode = self.random.choices(("never", "at once", "late", "stops"), (20, 45, 25, 10))[0]
        if mode == "never":
            return person
        first = max(min(leg.opens_s for leg in person.legs), self.starts_s) + 0.5
        last = min(max(leg.closes_s for leg in person.legs), self.stops_s) - 0.7
        opens = first if mode != "late" or last <= first else self.random.uniform(first, last)
        ends = self.random.uniform(opens, max(last, opens)) if mode == "stops" else FOR_EVER
        legs: list[Leg] = []
        for leg in person.legs:
            legs += self._split(leg, opens, ends)
        return replace(person, kind=f"{person.kind}, watches {mode}", legs=tuple(legs), opening_s=opens)

    def _split(self, leg: Leg, opens: float, ends: float) -> list[Leg]:
        """Cut a connection where it begins and ceases to be watching; the new one comes before the old one goes."""
        begins, until = max(leg.opens_s, opens), min(leg.closes_s, ends)
        if begins >= until:
            return [leg]
        parts = [replace(leg, opens_s=begins, closes_s=until, watching=True)]
        if leg.opens_s < begins:
            parts.insert(0, replace(leg, closes_s=min(begins + 0.8, leg.closes_s)))
            parts[1] = replace(parts[1], opens_s=min(begins + 0.4, until - 0.01))
        if until < leg.closes_s:
            parts.append(replace(leg, opens_s=until - 0.3))
        return parts

    # What people do. Each returns the connections that their pages hold.

    def _open(self, opens_s: float, closes_s: float = FOR_EVER, process: int | None = None) -> Leg:
        chosen = self.random.randrange(self.processes) if process is None else process
        return Leg(max(0.0, opens_s), closes_s, chosen)

    def _other(self, process: int) -> int:
        return (process + 1) % self.processes

    def _early(self) -> float:
        return self.random.uniform(0.3, self.starts_s + 3)

    def _at_the_end(self, least: float, most: float) -> float:
        """Return the moment this many seconds of live time before the stop."""
        seconds = self.random.uniform(least, most)
        ends = self.stops_s
        for begins, until in reversed(self.pauses):
            if ends - until >= seconds:
                break
            seconds -= max(0.0, ends - until)
            ends = begins
        return ends - seconds

    def stays(self) -> list[Leg]:
        return [self._open(self._early())]

    def waits_and_stays(self) -> list[Leg]:
        return [self._open(self.random.uniform(0, 2))]

    def comes_late_and_stays(self) -> list[Leg]:
        return [self._open(self.random.uniform(self.starts_s + 5, self.stops_s - 2))]

    def comes_at_the_end(self) -> list[Leg]:
        return [self._open(self._at_the_end(1.2, self.GRACE_S))]

    def leaves_before_the_grace(self) -> list[Leg]:
        return [self._open(self._early(), self._at_the_end(self.GRACE_S + self.MARGIN_S, 18))]

    def leaves_within_the_grace(self) -> list[Leg]:
        return [self._open(self._early(), self._at_the_end(0.6, self.GRACE_S - self.MARGIN_S))]

    def looks_in(self) -> list[Leg]:
        comes = self.random.uniform(self.starts_s + 1, self.stops_s - 12)
        return [self._open(comes, comes + self.random.uniform(1.2, 4))]

    def leaves_before_the_start(self) -> list[Leg]:
        return [self._open(0.2, self.starts_s - self.random.uniform(1, 2))]

    def comes_after_the_stop(self) -> list[Leg]:
        return [self._open(self.stops_s + self.random.uniform(1, 4))]

    def never_comes(self) -> list[Leg]:
        return []

    def reloads(self) -> list[Leg]:
        at, gap = self.random.uniform(self.starts_s + 4, self.stops_s - 1), self.random.uniform(0.1, 1)
        process = self.random.randrange(self.processes)
        return [self._open(self._early(), at, process), self._open(at + gap, process=process)]

    def sleeps(self) -> list[Leg]:
        at = self.random.uniform(self.starts_s + 4, self.stops_s - 10)
        return [self._open(self._early(), at), self._open(at + self.random.uniform(2, 8))]

    def comes_and_goes(self) -> list[Leg]:
        moment, legs = self._early(), []
        while moment < self.stops_s - 2:
            closes = moment + self.random.uniform(1, 6)
            legs.append(self._open(moment, closes))
            moment = closes + self.random.uniform(0.3, 6)
        return legs

    def second_tab(self) -> list[Leg]:
        process, early = self.random.randrange(self.processes), self._early()
        closes = self.random.uniform(early + 3, self.stops_s - 1)
        tabs = [
            self._open(early, process=process),
            self._open(early + 1, closes, self.random.choice((process, self._other(process)))),
        ]
        return tabs if self.random.random() < 0.7 else [replace(tabs[0], closes_s=closes - 2), tabs[1]]

    def second_device(self) -> list[Leg]:
        process = self.random.randrange(self.processes)
        at = self.random.uniform(self.starts_s + 5, self.stops_s - 3)
        return [self._open(self._early(), at + 1, process), self._open(at, process=self._other(process))]

    def second_device_closed_last(self) -> list[Leg]:
        process, leaves = self.random.randrange(self.processes), self._at_the_end(self.GRACE_S + 2, 12)
        return [
            self._open(self._early(), leaves - 1.5, process),
            self._open(self._early(), leaves, self._other(process)),
        ]

    def comes_in_a_pause(self) -> list[Leg]:
        return [self._open(self._in_a_pause())]

    def leaves_in_a_pause(self) -> list[Leg]:
        return [self._open(self._early(), self._in_a_pause())]

    def is_there_in_a_pause_alone(self) -> list[Leg]:
        at = self._in_a_pause()
        return [self._open(at - 0.6, at)]

    def _in_a_pause(self) -> float:
        if not self.pauses:
            return self.random.uniform(self.starts_s + 3, self.stops_s - 8)
        begins, ends = self.random.choice(self.pauses)
        return self.random.uniform(begins + 1, min(ends, self.stops_s) - 0.5)

    # What people do around the first or the second fault.

    def _fault(self) -> Fault:
        return self.random.choice(self.faults)

    def _during(self, fault: Fault) -> float:
        length = min(max(fault.length_s, 1.0), 15.0) if fault.kind != "clock" else 3.0
        return fault.at_s + self.random.uniform(0.1, 0.95) * length

    def closes_in_the_fault(self) -> list[Leg]:
        fault = self._fault()
        return [self._open(self._early(), self._during(fault), fault.process)]

    def closes_after_the_fault(self) -> list[Leg]:
        fault = self._fault()
        return [self._open(self._early(), self._during(fault) + self.random.uniform(1, 8), fault.process)]

    def opens_in_the_fault(self) -> list[Leg]:
        fault = self._fault()
        return [self._open(self._during(fault), process=fault.process)]

    def tries_in_the_fault(self) -> list[Leg]:
        fault = self._fault()
        at = self._during(fault)
        return [self._open(at, at + self.random.uniform(0.2, 2), fault.process)]

    def moves_in_the_fault(self) -> list[Leg]:
        fault = self._fault()
        at = self._during(fault)
        back = [] if self.random.random() < 0.5 else [self._open(at + 1, process=self._other(fault.process))]
        return [self._open(self._early(), at, fault.process), *back]

    def second_tab_closed_in_the_fault(self) -> list[Leg]:
        fault = self._fault()
        return [
            self._open(self._early(), process=fault.process),
            self._open(self._early(), self._during(fault), self._other(fault.process)),
        ]

    def waits_in_the_pause_of_the_fault(self) -> list[Leg]:
        fault = self._fault()
        closes = FOR_EVER if self.random.random() < 0.7 else self._during(fault)
        return [self._open(fault.at_s - self.random.uniform(3.5, 4.5), closes, fault.process)]

    def stays_through_the_fault(self) -> list[Leg]:
        return [self._open(self._early(), process=self._fault().process)]


Script = Callable[[Writer], list[Leg]]
SCRIPTS: Sequence[tuple[Script, int]] = (
    (Writer.stays, 12),
    (Writer.waits_and_stays, 8),
    (Writer.comes_late_and_stays, 6),
    (Writer.comes_at_the_end, 6),
    (Writer.leaves_before_the_grace, 10),
    (Writer.leaves_within_the_grace, 7),
    (Writer.looks_in, 6),
    (Writer.leaves_before_the_start, 4),
    (Writer.comes_after_the_stop, 4),
    (Writer.never_comes, 6),
    (Writer.reloads, 5),
    (Writer.sleeps, 5),
    (Writer.comes_and_goes, 6),
    (Writer.second_tab, 6),
    (Writer.second_device, 5),
    (Writer.second_device_closed_last, 4),
    (Writer.comes_in_a_pause, 4),
    (Writer.leaves_in_a_pause, 4),
    (Writer.is_there_in_a_pause_alone, 4),
)
AT_FAULTS: Sequence[Script] = (
    Writer.closes_in_the_fault,
    Writer.closes_after_the_fault,
    Writer.opens_in_the_fault,
    Writer.tries_in_the_fault,
    Writer.moves_in_the_fault,
    Writer.second_tab_closed_in_the_fault,
    Writer.waits_in_the_pause_of_the_fault,
    Writer.stays_through_the_fault,
)


def write_evening(
    seed: int, count: int, *, postgres: bool, scenarios: Sequence[str], watching: bool
) -> Evening:
    """Write the evening of this seed; `scenarios` are taken in turns."""
    faults = scenarios or (POSTGRES_FAULTS if postgres else SQLITE_FAULTS)
    scenario = faults[seed % len(faults)]
    return Writer(seed, scenario, 2 if postgres else 1, count, watching=watching).evening()
