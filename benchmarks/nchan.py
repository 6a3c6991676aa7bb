"""The peer of the room's stream: nginx with nchan, as Debian packs it, in a temporary directory on loopback."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.processes import Server, free_port, running

MISSING = (
    "nginx with nchan is not here: SKIPPED the peer. To get it: apt-get install nginx libnginx-mod-nchan"
)
MODULES = ("/usr/lib/nginx/modules", "/usr/share/nginx/modules", "/usr/lib64/nginx/modules")

OWN_CONNECTIONS = 2000  # nchan takes some hundreds of nginx's connections for itself

# One worker, for Efir is one process, too; a sign of life as often as Efir's; and the newest message for who comes.
CONFIGURATION = """
load_module {module};
daemon off;
worker_processes 1;
worker_rlimit_nofile {files};
pid {prefix}/pid;
error_log stderr error;
events {{ worker_connections {files}; }}
http {{
    access_log off;
    client_body_temp_path {prefix}/body;
    proxy_temp_path {prefix}/proxy;
    fastcgi_temp_path {prefix}/fastcgi;
    uwsgi_temp_path {prefix}/uwsgi;
    scgi_temp_path {prefix}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = /stream {{
            nchan_subscriber eventsource;
            nchan_channel_id room;
            nchan_eventsource_ping_interval 15;
            nchan_eventsource_ping_comment here;
        }}
        location = /publish {{
            nchan_publisher;
            nchan_channel_id room;
            nchan_message_buffer_length 1;
            nchan_message_timeout 0;
        }}
    }}
}}
"""


def module() -> Path | None:
    """Where nchan's module for nginx is; None where it, or nginx, is not installed."""
    found = [path for folder in MODULES for path in Path(folder).glob("ngx_nchan_module.so")]
    return found[0] if found and _nginx() else None


@contextmanager
def nchan(subscribers: int) -> Iterator[Server]:
    """A private nginx for so many subscribers, while the block runs."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="efir-nchan-") as prefix:
        written = CONFIGURATION.format(
            module=module(), files=subscribers + OWN_CONNECTIONS, prefix=prefix, port=port
        )
        user = "user root;\n" if os.geteuid() == 0 else ""  # its temporary directory is this user's
        path = Path(prefix) / "nginx.conf"
        path.write_text(user + written, encoding="ascii")
        with running([_nginx(), "-p", prefix, "-e", "stderr", "-c", str(path)], port) as server:
            yield server


class Publisher:
    """Says something to the room over a connection that is there already."""

    def __init__(self, port: int) -> None:
        self._http = HTTPConnection("127.0.0.1", port)

    def get_ready(self) -> None:
        """Connect: an idle connection may be closed by the server."""
        self._http.close()
        self._http.connect()

    def say(self, message: str) -> None:
        """Publish one message, named as Efir names it."""
        self._http.request("POST", "/publish", message.encode(), {"X-EventSource-Event": "state"})
        answer = self._http.getresponse()
        answer.read()
        if answer.status not in (201, 202):
            raise RuntimeError(f"nchan answered {answer.status}")


def _nginx() -> str:
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin") or ""
