"""Run `efir` commands in forks of one process that has imported everything: a start of Django costs half a second.

`python -m tests.support.warm_cli` reads one JSON object a line, `{"arguments": […], "stdin": "…"}`, forks, lets the
child call `efir.ops.cli.main.main`, and prints `{"code": …, "stdout": "…", "stderr": "…"}`. The parent opens no
database connection, so that no child inherits one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import IO, Any


def _run_in_child(arguments: list[str], files: list[IO[bytes]]) -> int:
    """Fork, run the command with these files as its standard streams, and return its exit code."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = 70
    try:
        for number, file in enumerate(files):
            os.dup2(file.fileno(), number)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115  # the old one may have read ahead
        from efir.ops.cli.main import main

        code = main(arguments)
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve() -> None:
    """Answer requests until standard input ends."""
    import django

    django.setup()
    import efir.ops.cli.commands
    import efir.urls  # noqa: F401

    answers = os.fdopen(os.dup(1), "w")
    for line in iter(sys.stdin.readline, ""):
        request = json.loads(line)
        with (
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as output,
            tempfile.TemporaryFile() as errors,
        ):
            given.write(request["stdin"].encode())
            given.seek(0)
            code = _run_in_child(request["arguments"], [given, output, errors])
            output.seek(0)
            errors.seek(0)
            answer = {"code": code, "stdout": output.read().decode(), "stderr": errors.read().decode()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


class WarmCli:
    """The client of one such process, which ends with its standard input."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.environ = dict(environ)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.warm_cli"],
            env=self.environ | {"DJANGO_SETTINGS_MODULE": "efir.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, arguments: tuple[str, ...], stdin: str) -> subprocess.CompletedProcess[str]:
        """Run one command. Raises RuntimeError if the process is gone."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"arguments": arguments, "stdin": stdin}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the warm command line is gone")
        answer: dict[str, Any] = json.loads(line)
        return subprocess.CompletedProcess(arguments, answer["code"], answer["stdout"], answer["stderr"])

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)


if __name__ == "__main__":
    serve()
