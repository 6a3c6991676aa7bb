"""The client of the load generator, which holds thousands of connections in a process of its own."""

from __future__ import annotations

import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

HOST = "127.0.0.1"
SPARE_FILES = 500  # descriptors that a process needs besides its connections

Answer = dict[str, Any]


def raise_file_limit() -> int:
    """Raise this process's limit of open files to the hard limit, and return it."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def get(path: str, cookie: str = "", *, accept: str = "text/html", close: bool = False) -> str:
    """Return a GET request as it goes over the wire."""
    head = [f"GET {path} HTTP/1.1", f"Host: {HOST}", f"Accept: {accept}"]
    head += [f"Cookie: {cookie}"] if cookie else []
    head += ["Connection: close"] if close else []
    return "\r\n".join([*head, "", ""])


def get_stream(path: str, cookie: str = "") -> str:
    """Return the GET request of a stream, as a browser's EventSource sends it."""
    return get(path, cookie, accept="text/event-stream")


@dataclass(frozen=True)
class Heard:
    """When each viewer received a message: seconds since it was asked for, by the port of the viewer's server.

    `cpu_s` is the CPU time of the load generator meanwhile.
    """

    by_port: dict[int, list[float]]
    cpu_s: float

    @property
    def after_s(self) -> list[float]:
        """The times of all viewers, sorted."""
        return sorted(after_s for each in self.by_port.values() for after_s in each)

    @property
    def spread_s(self) -> float:
        """The time from the first viewer to the last."""
        return self.after_s[-1] - self.after_s[0] if self.by_port else math.nan


class Listened:
    """What `LoadGenerator.listening` answers once it is over."""

    answer: Answer


class LoadGenerator:
    """Client of the load generator's process."""

    def __init__(self, commands: IO[str], answers: IO[str]) -> None:
        self._commands, self._answers = commands, answers

    def open_streams(self, requests: Sequence[tuple[int, str]]) -> Answer:
        """Open a stream for each (port, request). Answers `open`, `errors` and `seconds`."""
        return self._do("open_streams", requests=list(requests))

    def arrive(self, port: int, people: Sequence[tuple[str, str]], per_s: float) -> Answer:
        """Let people (request of the page, request of the stream) arrive at an even pace.

        Answers the times of `pages`, counted from when the page was due, and of `streams`, counted from the page's
        end; `errors` and `seconds`. Nobody waits for those who came before.
        """
        return self._do("arrive", port=port, people=list(people), per_s=per_s)

    def call(self, port: int, requests: Sequence[str], seconds: float) -> Answer:
        """Repeat each request on a connection of its own. Answers `took`, the time of each answer, and `seconds`."""
        return self._do("call", port=port, requests=list(requests), seconds=seconds)

    def hear(self, marker: str, ask: Callable[[], object]) -> Heard:
        """Call `ask` and time when `marker` arrives on each open stream."""
        self._write({"do": "hear", "marker": marker})
        self._read()  # it listens from now on
        asked = time.monotonic()
        ask()
        answer = self._read()
        by_port = {int(port): [moment - asked for moment in at] for port, at in answer["at"].items()}
        return Heard(by_port, answer["cpu_s"])

    @contextmanager
    def listening(self, marker: str) -> Iterator[Listened]:
        """Listen to lists of messages on every stream while the block runs, and on until each has got `marker`.

        `answer` is there afterwards: `frames`, each with its `data`, the `ids` of its messages and the moments `at`
        which it arrived; `orders`, each with the `ids` in order of arrival and the number of `viewers` who got that.
        """
        self._write({"do": "listen", "marker": marker})
        self._read()  # it listens from now on
        listened = Listened()
        yield listened
        listened.answer = self._read()

    def _do(self, command: str, **arguments: object) -> Answer:
        self._write({"do": command, **arguments})
        return self._read()

    def _write(self, command: dict[str, object]) -> None:
        self._commands.write(json.dumps(command) + "\n")
        self._commands.flush()

    def _read(self) -> Answer:
        line = self._answers.readline()
        if not line:
            raise RuntimeError("the load generator ended")
        answer: Answer = json.loads(line)
        return answer


@contextmanager
def load_generator() -> Iterator[LoadGenerator]:
    """Run a load generator while the block runs; afterwards its connections are closed."""
    command = [sys.executable, "-m", "benchmarks.load_process"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield LoadGenerator(process.stdin, process.stdout)
    finally:
        process.kill()
        process.wait()
