"""Requests that are not (valid) HTTP are refused, and the server keeps working."""

from __future__ import annotations

import re
import socket
from contextlib import suppress

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from efir.server.web import LARGEST_HEAD
from tests.support.site import Site

LINES = st.sampled_from(
    [
        *(
            b"Host: localhost",
            b"Host:",
            b"Host: a\r\nHost: b",
            b"Cookie: \xff\xfe=\x00; sessionid=..",
            b"Cookie: ;;=;",
        ),
        *(b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 1e3", b"Transfer-Encoding: chunked"),
        *(
            b"Transfer-Encoding: xchunked",
            b"Expect: 100-continue",
            b"Upgrade: websocket\r\nConnection: upgrade",
        ),
        *(
            b"X-Forwarded-For: ,,;\xf0\x9f",
            b"X-Request-ID: \x0b",
            b"Accept-Language: *;q=9e99,,\xff",
            b" folded",
            b"x",
        ),
        *(
            b"Accept: ;q=\xff",
            b'If-None-Match: "',
            b"If-Modified-Since: 0",
            b"Range: bytes=9-1",
            b"Origin: null",
        ),
    ]
) | st.binary(max_size=40)
TARGETS = st.sampled_from(
    [
        b"/",
        b"/webinars/?page=%ff&ref=%00",
        b"/login/",
        b"/static/../x",
        b"//x",
        b"*",
        b"http://x/",
        b"/%2e%2e/",
    ]
) | st.binary(min_size=1, max_size=30)
METHODS = st.sampled_from([b"GET", b"POST", b"HEAD", b"TRACE", b"OPTIONS", b"PRI", b"get"]) | st.binary(
    max_size=8
)
REQUESTS = st.builds(
    lambda method, target, lines, body: (
        b"%s %s HTTP/1.1\r\n%s\r\n\r\n%s" % (method, target, b"\r\n".join(lines), body)
    ),
    METHODS,
    TARGETS,
    st.lists(LINES, max_size=6),
    st.binary(max_size=30),
)


def said(site: Site, *pieces: bytes) -> bytes:
    """Send these bytes, close the sending half, and return the response up to the server's end of the connection."""
    received = b""
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as line, suppress(ConnectionError):
        for piece in pieces:
            line.sendall(piece)
        line.shutdown(socket.SHUT_WR)
        while chunk := line.recv(65536):
            received += chunk
    return received


@pytest.fixture(scope="module", autouse=True)
def logged_before(site):
    """Return the length of the log before these tests."""
    return len(site.log.read_text())


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(REQUESTS | st.binary(max_size=200))
@example(b"GET / HTTP/1.1\r\nHost:\r\n\r\n")
@example(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n")
@example(b"POST /login/ HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde")
@example(
    b"POST /login/ HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
)
def test_no_bytes_make_the_server_fail(site, sent):
    for status in re.findall(rb"^HTTP/1\.1 (\d{3})", said(site, sent), re.MULTILINE):
        assert int(status) < 500
    assert httpx.get(f"{site.url}/healthz/web").status_code == 200


def test_log_has_no_traceback(site, logged_before):
    assert "Traceback" not in site.log.read_text()[logged_before:]


@pytest.mark.parametrize("language", ["ru", "en"])
def test_too_large_head_is_refused_with_advice(site, language):
    cookies = {"Cookie": "x=" + "a" * LARGEST_HEAD, "Accept-Language": language}
    answer = httpx.get(f"{site.url}/webinars/", headers=cookies)
    assert (answer.status_code, answer.headers["connection"]) == (431, "close")
    assert {"ru": "файлы cookie", "en": "cookies"}[language] in answer.text


def test_unfinished_head_closes_the_connection(site):
    pieces = [b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "] + [b"a" * 65536] * 40
    assert said(site, *pieces)[:12] in (b"", b"HTTP/1.1 400")
