"""Start `efir` processes as forks of one that has imported everything: imports are most of what a start costs.

`ForkServer(environ)` starts such a process for one environment; `start` and `run` fork it, and the child calls
`efir.ops.cli.main.main` as the console script does. The server opens no database connection and starts no thread, so
that a child inherits neither. A child is killed, stopped and waited for like any other process.
"""

from __future__ import annotations

import faulthandler
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import IO


class ForkServer:
    """The client of one server; what it needs of `subprocess.Popen` is in `Forked`."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.environ = dict(environ)
        ours, theirs = socket.socketpair()
        self._socket = ours
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.fork_server", str(theirs.fileno())],
            env=self.environ | {"DJANGO_SETTINGS_MODULE": "efir.settings"},
            pass_fds=[theirs.fileno()],
            stderr=subprocess.DEVNULL,
        )
        theirs.close()
        # In an environment that Efir refuses the server ends before it says that it is ready.
        self.is_ready = bool(ours.recv(1))

    def start(
        self, arguments: Sequence[str], stdin: IO[bytes], stdout: IO[bytes], stderr: IO[bytes]
    ) -> Forked:
        """Fork a child with these standard streams."""
        files = [stdin.fileno(), stdout.fileno(), stderr.fileno()]
        socket.send_fds(self._socket, [json.dumps({"run": list(arguments)}).encode()], files)
        return Forked(self, self._answer())

    def run(self, arguments: Sequence[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Fork a child and wait for its end."""
        with (
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as output,
            tempfile.TemporaryFile() as errors,
        ):
            given.write(stdin.encode())
            given.seek(0)
            code = self.start(arguments, given, output, errors).wait()
            output.seek(0)
            errors.seek(0)
            return subprocess.CompletedProcess(
                list(arguments), code, output.read().decode(), errors.read().decode()
            )

    def reap(self, pid: int) -> int:
        """Return the exit code of a child that has ended."""
        self._socket.sendall(json.dumps({"reap": pid}).encode())
        return self._answer()

    def close(self) -> None:
        """End the server; its children go on."""
        self._socket.close()
        self._process.wait(30)

    def _answer(self) -> int:
        answer = self._socket.recv(4096)
        if not answer:
            raise RuntimeError("the fork server is gone")
        return int(answer)


class Forked:
    """A forked process, with the part of `subprocess.Popen` that tests use."""

    def __init__(self, server: ForkServer, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._server = server
        # Readable when the process has ended, also while nobody has waited for it.
        self._pidfd = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """Return the exit code, or None if the process still runs."""
        return self._ended_within(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end. Raises subprocess.TimeoutExpired."""
        code = self._ended_within(timeout)
        if code is None:
            raise subprocess.TimeoutExpired("efir", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _ended_within(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._pidfd], [], [], timeout)[0]:
            self.returncode = self._server.reap(self.pid)
            os.close(self._pidfd)
        return self.returncode


def _serve(channel: socket.socket) -> None:
    """Answer requests until the client is gone."""
    import django

    django.setup()
    import efir.ops.cli.backup
    import efir.ops.cli.commands
    import efir.ops.cli.main
    import efir.ops.cli.people
    import efir.ops.cli.server
    import efir.urls  # noqa: F401  # to have them loaded

    channel.sendall(b"+")
    while True:
        text, files, *_ = socket.recv_fds(channel, 65536, 3)
        if not text:
            return
        request = json.loads(text)
        if "reap" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["reap"], 0)[1])
        else:
            answer = os.fork()
            if not answer:
                _become(request["run"], files, channel)
            for file in files:
                os.close(file)
        channel.sendall(str(answer).encode())


def _become(arguments: list[str], files: Sequence[int], channel: socket.socket) -> None:
    """Be the command from here on, and end with its exit code."""
    channel.close()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.argv = ["efir", *arguments]
    faulthandler.enable()
    random.seed()  # forks of one process would draw the same numbers
    from efir.ops.cli.main import main

    try:
        code = main(arguments)
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]  # there is one
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
