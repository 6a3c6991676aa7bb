"""Run the unit tests on every other supported Python of this machine.

`python -m tools.pythons` makes a virtual environment for each in `.venv/python3.NN` from the lock file, and returns 1
if a test fails on one of them. Versions that are not here are named in one line: Debian has one Python at a time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SUPPORTED = ("3.11", "3.12", "3.13")
OWN = f"{sys.version_info.major}.{sys.version_info.minor}"


def interpreter(version: str) -> str | None:
    """Return the path of this version's interpreter, from PATH or pyenv; None if it is not here."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/python{version}"))]
    on_path = shutil.which(f"python{version}")
    # pyenv's shim of a version that is not chosen is on PATH and does not run.
    return next(filter(_runs, [*([on_path] if on_path else []), *reversed(found)]), None)


def _runs(python: str) -> bool:
    done = subprocess.run([python, "-c", "import venv, ensurepip"], capture_output=True, check=False)
    return done.returncode == 0


def unit_tests_pass(version: str, python: str) -> bool:
    """Set the version's environment up if it is not, and run `tests/unit` in it."""
    environment = ROOT / ".venv" / f"python{version}"
    own = environment / "bin" / "python"
    ready = environment / "ready"
    if not ready.exists():
        subprocess.run([python, "-m", "venv", "--clear", environment], check=True)
        install = [own, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        for locked in ("dev.txt", "build.txt"):
            subprocess.run([*install, "--require-hashes", "-r", ROOT / "requirements" / locked], check=True)
        subprocess.run([*install, "--no-deps", "--no-build-isolation", "-e", ROOT], check=True)
        ready.touch()
    print(f"Unit tests on Python {version}:", flush=True)
    tests = subprocess.run(
        [own, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit"], cwd=ROOT, check=False
    )
    return tests.returncode == 0


def main() -> int:
    """Return 0 if the tests pass on all that are here."""
    others = {version: interpreter(version) for version in SUPPORTED if version != OWN}
    if missing := [version for version, python in others.items() if python is None]:
        print(f"*** Not here, so not tested: Python {' and '.join(missing)}. ***", flush=True)
    failed = [
        version for version, python in others.items() if python and not unit_tests_pass(version, python)
    ]
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
