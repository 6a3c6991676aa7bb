"""The load generator's process: one command a line on standard input, one answer a line on standard output, JSON both.

It starts without Django, does nothing between two commands, and says what each cost it in CPU time.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from benchmarks.calls import call
from benchmarks.connections import Loop, Visit, is_open, is_whole, raise_file_limit

AT_ONCE = 200
ANSWER_WITHIN_S = 120.0
HEAR_WITHIN_S = 60.0
QUIET_S = 0.05

Answer = dict[str, Any]


def open_streams(loop: Loop, requests: list[tuple[int, str]]) -> Answer:
    """Open a stream for each (port, request), so many at once at most."""
    began = time.monotonic()
    left = [Visit(port, request.encode(), is_open, began) for port, request in reversed(requests)]
    errors: Counter[str] = Counter()
    while (left or loop.waiting) and time.monotonic() < began + ANSWER_WITHIN_S:
        while left and loop.waiting < AT_ONCE:
            loop.begin(left.pop())
        errors.update(visit.error for visit in loop.turn(1.0) if visit.error)
    errors += loop.give_up()
    return {"open": len(loop.streams), "errors": errors, "seconds": time.monotonic() - began}


def hear(loop: Loop, marker: str) -> Answer:
    """Read away what has come so far, say that the change may be asked for, and time it on every stream."""
    while _is_loud(loop):
        pass
    _say({"ready": True})
    before = time.process_time()
    at = loop.hear(marker.encode(), HEAR_WITHIN_S)
    return {"at": at, "cpu_s": time.process_time() - before}


def arrive(loop: Loop, port: int, people: list[tuple[str, str]], per_s: float) -> Answer:
    """Let people (the request of the page, that of the stream) come at an even pace, whoever else still waits.

    Times count from the moment at which the page was due and, for the stream, from the page's end.
    """
    began = time.monotonic()
    pages: list[float] = []
    streams: list[float] = []
    errors: Counter[str] = Counter()
    deadline = began + len(people) / per_s + ANSWER_WITHIN_S
    coming = 0
    while (coming < len(people) or loop.waiting) and (now := time.monotonic()) < deadline:
        while coming < len(people) and began + coming / per_s <= now:
            loop.begin(
                Visit(port, people[coming][0].encode(), is_whole, began + coming / per_s, owner=coming)
            )
            coming += 1
        wait_s = began + coming / per_s - time.monotonic() if coming < len(people) else 1.0
        for visit in loop.turn(wait_s):
            if visit.error:
                errors[f"{'stream' if visit.has_enough is is_open else 'page'}: {visit.error}"] += 1
            elif visit.has_enough is is_open:
                streams.append(visit.took_s)
            else:
                pages.append(visit.took_s)
                loop.begin(Visit(port, people[visit.owner][1].encode(), is_open, visit.ended))
    errors += loop.give_up()
    return {"pages": pages, "streams": streams, "errors": errors, "seconds": time.monotonic() - began}


def lost(loop: Loop) -> Answer:
    """How many streams are open, and how many were and are not any more."""
    while _is_loud(loop):
        pass
    return {"open": len(loop.streams), "lost": loop.lost}


def _is_loud(loop: Loop) -> bool:
    until = time.monotonic() + QUIET_S
    loop.turn(QUIET_S)
    return time.monotonic() < until


def _say(answer: Answer) -> None:
    print(json.dumps(answer), flush=True)


COMMANDS: dict[str, Callable[..., Answer]] = {
    "open": open_streams,
    "hear": hear,
    "arrive": arrive,
    "lost": lost,
    "call": lambda _loop, **given: call(**given),
}


def main() -> None:
    """Carry out commands until standard input ends."""
    raise_file_limit()
    loop = Loop()
    for line in sys.stdin:
        given = json.loads(line)
        before = time.process_time()
        answer = COMMANDS[given.pop("do")](loop, **given)
        _say({"cpu_s": time.process_time() - before} | answer)


if __name__ == "__main__":
    main()
