"""A wheel that is installed into an empty environment runs the demo."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.ports import free_port
from tests.support.site import eventually

pytestmark = pytest.mark.one_database

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """Build the wheel and install it, with what it needs from the package index, into a new environment."""
    directory = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = directory.glob("*.whl")
    environment = directory / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    install = [environment / "bin/pip", "install", "-q", "--disable-pip-version-check"]
    locked = [*install, "--require-hashes", "-r", ROOT / "requirements/base.txt"]
    subprocess.run(locked, check=True)
    subprocess.run([*install, "--no-deps", wheel], check=True)
    return environment / "bin/efir"


def test_demo_runs_from_a_wheel_in_an_empty_environment(installed, tmp_path):
    port = free_port()
    environ = {"PATH": os.defpath, "HOME": str(tmp_path), "EFIR_PORT": str(port)}
    with (tmp_path / "log").open("wb") as log:
        demo = subprocess.Popen([installed, "demo"], cwd=tmp_path, env=environ, stdout=log, stderr=log)
    try:
        page = eventually(lambda: demo.poll() is not None or _page(port))
        assert demo.poll() is None, (tmp_path / "log").read_text()
        assert "<h1" in page
    finally:
        demo.terminate()
        assert demo.wait(30) == 0
    version = subprocess.run(
        [installed, "--version"], env=environ, capture_output=True, text=True, check=True
    )
    assert version.stdout.startswith("efir 0.")


def _page(port: int) -> str:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/webinars/").text
    except httpx.TransportError:
        return ""
