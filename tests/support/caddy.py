"""Runs Caddy on loopback with deploy/Caddyfile; only ports, paths and the certificate are replaced."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.nginx import answers, make_certificate
from tests.support.ports import free_port
from tests.support.site import eventually

EXAMPLE = Path(__file__).parents[2] / "deploy/Caddyfile"
MISSING = "Caddy is not here: SKIPPED what is behind it. To get it: apt-get install caddy"
PROGRAM = shutil.which("caddy")


def rendered(example: str, *, folder: Path, https: int, http: int, upstreams: Sequence[int]) -> str:
    """Return the example with this machine's addresses and files; the rest stays as it is."""
    servers = " ".join(f"127.0.0.1:{port}" for port in upstreams)
    certificate = f"tls {folder}/certificate.pem {folder}/key.pem"
    changes = {
        r"^webinars\.example\.org \{": f"localhost:{https} {{\n\tbind 127.0.0.1\n\t{certificate}",
        r"reverse_proxy 127\.0\.0\.1:8000 \{": f"reverse_proxy {servers} {{",
    }
    for pattern, text in changes.items():
        example, count = re.subn(pattern, text, example, flags=re.MULTILINE)
        assert count, pattern
    # Told to stop, Caddy would wait for streams without end.
    own = (
        "admin off",
        "skip_install_trust",
        "auto_https disable_redirects",
        "grace_period 1s",
        f"http_port {http}",
    )
    return re.sub(r"^\{$", "\n\t".join(("{", *own)), example, count=1, flags=re.MULTILINE)


def environ(folder: Path) -> dict[str, str]:
    """Return the environment that makes Caddy store its data in this directory."""
    return os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}


@contextmanager
def in_front_of(upstreams: Sequence[int], https: int, folder: Path) -> Iterator[str]:
    """Run Caddy while the block runs; yield its address."""
    folder.mkdir()
    make_certificate(folder)
    conf, log = folder / "Caddyfile", folder / "error.log"
    conf.write_text(
        rendered(EXAMPLE.read_text(), folder=folder, https=https, http=free_port(), upstreams=upstreams)
    )
    with log.open("wb") as said:
        words = [str(PROGRAM), "run", "--adapter", "caddyfile", "--config", str(conf)]
        process = subprocess.Popen(words, env=environ(folder), stdout=said, stderr=said)
    address = f"https://localhost:{https}"
    try:
        eventually(lambda: process.poll() is not None or answers(address))
        assert process.poll() is None, log.read_text()
        yield address
    finally:
        process.terminate()
        process.wait(30)
