"""The load generator as the benchmarks use it: a process apart, told what to do line by line."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

Answer = dict[str, Any]


def stream_request(path: str, cookie: str = "") -> str:
    """The GET of a stream, as a browser's EventSource asks."""
    return request_for(path, cookie, accept="text/event-stream")


def request_for(path: str, cookie: str = "", *, accept: str = "text/html", close: bool = False) -> str:
    """A GET as it goes over the wire."""
    head = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", f"Accept: {accept}"]
    head += [f"Cookie: {cookie}"] if cookie else []
    head += ["Connection: close"] if close else []
    return "\r\n".join([*head, "", ""])


@dataclass(frozen=True)
class Heard:
    """One change as the viewers heard it: seconds from its being asked for, by the port of their server.

    `cpu_s` is what timing it has cost the load generator.
    """

    by_port: dict[int, list[float]]
    cpu_s: float

    @property
    def after_s(self) -> list[float]:
        """Of all viewers, in order."""
        return sorted(after_s for each in self.by_port.values() for after_s in each)

    @property
    def spread_s(self) -> float:
        """From the first viewer to the last: the fan-out alone."""
        return self.after_s[-1] - self.after_s[0] if self.by_port else math.nan

    def of(self, port: int) -> list[float]:
        """Of the viewers of one server."""
        return sorted(self.by_port.get(port, []))


class Crowd:
    """Thousands of people at their browsers."""

    def __init__(self, given: IO[str], answers: IO[str]) -> None:
        self._given, self._answers = given, answers

    def do(self, command: str, **given: object) -> Answer:
        """Carry out one command of `benchmarks.generator`."""
        self._write({"do": command, **given})
        return self._read()

    def watch(self, requests: Sequence[tuple[int, str]]) -> Answer:
        """Open a stream for each (port, request)."""
        return self.do("open", requests=list(requests))

    def hear(self, marker: str, ask: Callable[[], object]) -> Heard:
        """Ask for a change and time its arrival, told by `marker`, at every viewer."""
        self._write({"do": "hear", "marker": marker})
        self._read()  # it listens from now on
        asked = time.monotonic()
        ask()
        answer = self._read()
        by_port = {int(port): [moment - asked for moment in at] for port, at in answer["at"].items()}
        return Heard(by_port, answer["cpu_s"])

    def _write(self, command: dict[str, object]) -> None:
        self._given.write(json.dumps(command) + "\n")
        self._given.flush()

    def _read(self) -> Answer:
        line = self._answers.readline()
        if not line:
            raise RuntimeError("the load generator ended")
        answer: Answer = json.loads(line)
        return answer


@contextmanager
def crowd() -> Iterator[Crowd]:
    """A load generator for as long as the block runs; afterwards its connections are gone."""
    command = [sys.executable, "-m", "benchmarks.generator"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Crowd(process.stdin, process.stdout)
    finally:
        process.kill()
        process.wait()
