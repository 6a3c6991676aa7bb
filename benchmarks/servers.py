"""The measured servers, each a process: started, asked for CPU time and memory, terminated by its id."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from efir.lib.sockets import free_port

EFIR = (sys.executable, "-m", "efir.ops.cli.main")
START_WITHIN_S = 60.0
STOP_WITHIN_S = 60.0


@dataclass
class Server:
    """A server process, together with its child processes."""

    port: int
    process: subprocess.Popen[bytes]

    def cpu_s(self) -> float:
        """Return the CPU seconds used so far, including those of threads that have ended."""
        # clock_getcpuclockid(3), which Python does not offer, exact to the nanosecond.
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in self._pids())

    def rss_kb(self) -> int:
        """Return VmRSS in kB, which includes touched shared memory."""
        return sum(_read_kb(f"/proc/{pid}/status", "VmRSS:") for pid in self._pids())

    def peak_rss_kb(self) -> int:
        """Return the highest VmRSS so far in kB."""
        return sum(_read_kb(f"/proc/{pid}/status", "VmHWM:") for pid in self._pids())

    def pss_kb(self) -> int:
        """Return PSS in kB: memory shared by several processes is counted once."""
        return sum(_read_kb(f"/proc/{pid}/smaps_rollup", "Pss:") for pid in self._pids())

    def _pids(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [self.process.pid, *map(int, children.split())]


@contextmanager
def efir(command: str, **environ: str) -> Iterator[Server]:
    """Run `efir web` or `efir serve` on this process's database."""
    port = free_port()
    with running([*EFIR, command], port, EFIR_PORT=str(port), **environ) as server:
        yield server


@contextmanager
def running(command: Sequence[str], port: int, **environ: str) -> Iterator[Server]:
    """Run a server that listens on `port` while the block runs. Raises RuntimeError if it does not start."""
    process = subprocess.Popen(command, env=os.environ | environ)
    try:
        deadline = time.monotonic() + START_WITHIN_S
        while not _is_listening(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command!r} did not start")
            time.sleep(0.1)
        yield Server(port, process)
    finally:
        process.terminate()
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _read_kb(path: str, name: str) -> int:
    lines = Path(path).read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))
