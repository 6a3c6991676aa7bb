"""Writing to a socket with the interpreter's lock held."""

from __future__ import annotations

import socket

import pytest

from efir.lib.sockets import write_now


@pytest.fixture
def pair():
    near, far = socket.socketpair()
    near.setblocking(False)
    with near, far:
        yield near, far


def test_bytes_arrive_with_zero_bytes_among_them(pair):
    near, far = pair
    assert write_now(near.fileno(), b"a\0b") == 3
    assert far.recv(10) == b"a\0b"


def test_full_buffer_raises_blocking_io_error(pair):
    near, _far = pair
    write_now(near.fileno(), b"x" * 50_000_000)
    with pytest.raises(BlockingIOError):
        write_now(near.fileno(), b"x" * 65536)


def test_part_that_fits_is_counted(pair):
    near, _far = pair
    assert 0 < write_now(near.fileno(), b"x" * 50_000_000) < 50_000_000


def test_closed_connection_raises_its_error(pair):
    near, far = pair
    far.close()
    with pytest.raises(BrokenPipeError):
        write_now(near.fileno(), b"x")
