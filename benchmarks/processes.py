"""The servers that are measured, each a process of its own: started, asked what they cost, and stopped by their id."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

UP_WITHIN_S = 60.0
STOPPED_WITHIN_S = 60.0


@dataclass
class Server:
    """A server's process, with those it has started itself."""

    port: int
    process: subprocess.Popen[bytes]

    def cpu_s(self) -> float:
        """CPU time used so far, to the nanosecond, of threads that have ended, too."""
        return sum(_cpu_s(pid) for pid in self._pids())

    def rss_kb(self) -> int:
        """VmRSS, which counts the shared memory that was touched."""
        return sum(_kb(f"/proc/{pid}/status", "VmRSS:") for pid in self._pids())

    def pss_kb(self) -> int:
        """The same with what several processes share counted once."""
        return sum(_kb(f"/proc/{pid}/smaps_rollup", "Pss:") for pid in self._pids())

    def _pids(self) -> list[int]:
        parent = self.process.pid
        return [parent, *(pid for pid in _all_pids() if _parent(pid) == parent)]


@contextmanager
def efir(command: str, **environ: str) -> Iterator[Server]:
    """`efir web` or `efir serve` on the database of this process."""
    port = free_port()
    with running(
        [sys.executable, "-m", "efir.ops.cli.main", command], port, EFIR_PORT=str(port), **environ
    ) as server:
        yield server


@contextmanager
def running(command: list[str], port: int, **environ: str) -> Iterator[Server]:
    """A server that will listen on `port`, while the block runs. Raises RuntimeError where it does not start."""
    process = subprocess.Popen(command, env=os.environ | environ)
    try:
        _await(process, port)
        yield Server(port, process)
    finally:
        process.terminate()
        try:
            process.wait(STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + UP_WITHIN_S
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args!r} did not start")
        time.sleep(0.1)


def _cpu_s(pid: int) -> float:
    return time.clock_gettime((~pid << 3) | 2)  # clock_getcpuclockid(3), which Python does not offer


def _kb(path: str, name: str) -> int:
    lines = Path(path).read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def _all_pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _parent(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return 0  # gone meanwhile
    return int(stat.rpartition(")")[2].split()[1])
