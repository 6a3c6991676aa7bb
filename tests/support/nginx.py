"""Runs nginx on loopback with deploy/nginx.conf; only ports, paths and the certificate are replaced."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.ports import free_port
from tests.support.site import eventually

EXAMPLE = Path(__file__).parents[2] / "deploy/nginx.conf"
MISSING = "nginx is not here: SKIPPED what is behind it. To get it: apt-get install nginx-light"
PROGRAM = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
IN_CI = bool(os.environ.get("CI"))  # there nothing may be left out

# The certificate is made for the occasion, for this machine alone.
TRUSTING = ssl.create_default_context()
TRUSTING.check_hostname = False
TRUSTING.verify_mode = ssl.CERT_NONE


def rendered(
    example: str, *, folder: Path, https: int, http: int, upstreams: Sequence[int], host: str
) -> str:
    """Return the example with this machine's addresses and files; the rest stays as it is."""
    servers = "\n".join(f"server 127.0.0.1:{port} max_fails=0;" for port in upstreams)
    changes = {
        r"^user .*;": f"user {getpass.getuser()};\ndaemon off;",
        r"^pid .*;": f"pid {folder}/pid;",
        r"/var/log/nginx/error\.log": f"{folder}/error.log",
        r"worker_processes auto": "worker_processes 1",
        r"listen 443": f"listen {host}:{https}",
        r"listen 80": f"listen {host}:{http}",
        r"server_name webinars\.example\.org": "server_name localhost",
        r"server 127\.0\.0\.1:8000 max_fails=0;": servers,
        r"/etc/letsencrypt/live/webinars\.example\.org/fullchain\.pem": f"{folder}/certificate.pem",
        r"/etc/letsencrypt/live/webinars\.example\.org/privkey\.pem": f"{folder}/key.pem",
        r"/var/cache/nginx/efir": f"{folder}/cache",
        r"^http \{": "http {\n" + _own_places(folder),
    }
    for pattern, text in changes.items():
        example, count = re.subn(pattern, text, example, flags=re.MULTILINE)
        assert count, pattern
    return example


def _own_places(folder: Path) -> str:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return "\n".join(f"    {kind}_temp_path {folder}/{kind};" for kind in kinds)


@contextmanager
def in_front_of(
    upstreams: Sequence[int], https: int, folder: Path, *, on: str = "localhost", within: Sequence[str] = ()
) -> Iterator[str]:
    """Run nginx while the block runs; yield its address. `within`: a command that runs it elsewhere."""
    folder.mkdir()
    make_certificate(folder)
    conf = folder / "nginx.conf"
    conf.write_text(
        rendered(
            EXAMPLE.read_text(),
            folder=folder,
            https=https,
            http=free_port(),
            upstreams=upstreams,
            host="127.0.0.1" if on == "localhost" else on,
        )
    )
    process = subprocess.Popen([*within, str(PROGRAM), "-p", folder, "-e", folder / "error.log", "-c", conf])
    address = f"https://{on}:{https}"
    try:
        eventually(lambda: process.poll() is not None or answers(address, within))
        assert process.poll() is None, (folder / "error.log").read_text()
        yield address
    finally:
        process.terminate()
        process.wait(30)


def make_certificate(folder: Path) -> None:
    """Create a certificate for localhost, valid for two days."""
    words = "openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 2 -subj /CN=localhost"
    files = ["-keyout", folder / "key.pem", "-out", folder / "certificate.pem"]
    subprocess.run([*words.split(), *files], check=True, capture_output=True)


def answers(address: str, within: Sequence[str] = ()) -> bool:
    """Return whether Efir answers requests there."""
    code = f"import httpx; httpx.get('{address}/healthz/web', verify=False).raise_for_status()"
    done = subprocess.run([*within, sys.executable, "-c", code], capture_output=True, check=False)
    return done.returncode == 0
