"""The peer of the room's stream: nginx with nchan, as Debian packages it, in a temporary directory on loopback."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.servers import Server, running
from efir.lib.sockets import free_port

MISSING = "SKIPPED the peer, nginx with nchan. To install it: apt-get install nginx libnginx-mod-nchan"
OWN_CONNECTIONS = 2000  # nchan uses some hundreds of nginx's connections for itself
# One worker, since Efir is one process; pings as often as Efir's; new subscribers get the newest message.
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
    """Return the path of nchan's nginx module, or None if it or nginx is not installed."""
    folders = [Path(lib) / "nginx/modules" for lib in ("/usr/lib", "/usr/share", "/usr/lib64")]
    found = [path for folder in folders for path in folder.glob("ngx_nchan_module.so")]
    return found[0] if found and _nginx() else None


@contextmanager
def nchan(subscribers: int) -> Iterator[Server]:
    """Run a private nginx for this many subscribers while the block runs."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="efir-nchan-") as prefix:
        content = CONFIGURATION.format(
            module=module(), files=subscribers + OWN_CONNECTIONS, prefix=prefix, port=port
        )
        user = "user root;\n" if os.geteuid() == 0 else ""  # only root may read the temporary directory
        path = Path(prefix) / "nginx.conf"
        path.write_text(user + content, encoding="ascii")
        with running([_nginx(), "-p", prefix, "-e", "stderr", "-c", str(path)], port) as server:
            yield server


class Publisher:
    """Publishes messages over an open connection."""

    def __init__(self, port: int) -> None:
        self._http = HTTPConnection("127.0.0.1", port)

    def connect(self) -> None:
        """Connect: the server closes an idle connection."""
        self._http.close()
        self._http.connect()

    def publish(self, message: str) -> None:
        """Publish a message with the event name that Efir uses."""
        self._http.request("POST", "/publish", message.encode(), {"X-EventSource-Event": "state"})
        answer = self._http.getresponse()
        answer.read()
        if answer.status not in (201, 202):
            raise RuntimeError(f"nchan answered {answer.status}")


def _nginx() -> str:
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin") or ""
