"""Run a temporary PostgreSQL cluster on loopback, as an unprivileged user.

`python -m tools.postgres COMMAND …` runs the command with EFIR_DATABASE_URL set to it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from efir.lib.sockets import free_port
from tools.tmpfs import memory_dir

MISSING = "PostgreSQL is missing: SKIPPED what needs it. To install it: apt-get install postgresql"
READY_WITHIN_S = 60


def binaries() -> Path | None:
    """Return the folder of initdb and postgres, of the newest version; None if they are not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@contextmanager
def cluster(port: int | None = None, **settings: str) -> Iterator[str]:
    """Run a cluster while the block runs. Yield the URL of its database.

    `port`: a free one by default. `settings` are options of postgres. Raises FileNotFoundError if it is not installed.
    """
    bin_dir = binaries()
    if bin_dir is None:
        raise FileNotFoundError(MISSING)
    with tempfile.TemporaryDirectory(prefix="efir-pg-", dir=memory_dir()) as root:
        data, port = Path(root) / "data", port or free_port()
        if os.geteuid() == 0:
            shutil.chown(root, _user(), _user_group())
        _run(
            [
                bin_dir / "initdb",
                "-D",
                data,
                "-U",
                "efir",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ]
        )
        server = _start(
            bin_dir,
            data,
            port,
            {"fsync": "off", "full_page_writes": "off", "max_connections": "200"} | settings,
        )
        try:
            _await(bin_dir, port, server)
            _run([bin_dir / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "efir", "efir"])
            yield f"postgresql://efir@127.0.0.1:{port}/efir"
        finally:
            server.terminate()  # waits until its clients are gone; the next line does not
            _run([bin_dir / "pg_ctl", "-D", data, "stop", "-m", "immediate"], check=False)
            server.wait(30)


def _start(bin_dir: Path, data: Path, port: int, settings: dict[str, str]) -> subprocess.Popen[bytes]:
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    command = [bin_dir / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", data, *options]
    return subprocess.Popen(_unprivileged(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _await(bin_dir: Path, port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while _run([bin_dir / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)], check=False):
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the PostgreSQL cluster did not start")
        time.sleep(0.05)


def _run(command: list[str | Path], *, check: bool = True) -> int:
    return subprocess.run(_unprivileged(command), check=check, stdout=subprocess.DEVNULL, cwd="/").returncode


def _unprivileged(command: list[str | Path]) -> list[str]:
    """Run as another user if this is root: PostgreSQL refuses to run as root."""
    words = [str(word) for word in command]
    return ["runuser", "-u", _user(), "--", *words] if os.geteuid() == 0 else words


def _user() -> str:
    import pwd

    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _user_group() -> int:
    import pwd

    return pwd.getpwnam(_user()).pw_gid


def main(command: list[str]) -> int:
    """Run `command` on a new cluster. Without PostgreSQL print a warning, and fail on CI."""
    if binaries() is None:
        print(f"\n*** {MISSING} ***\n", file=sys.stderr)
        return 1 if os.environ.get("CI") == "true" else 0
    with cluster() as url:
        return subprocess.run(command, env=os.environ | {"EFIR_DATABASE_URL": url}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
