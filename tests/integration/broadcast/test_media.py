"""Media files: in a directory and in S3-compatible storage, and their signed addresses."""

from __future__ import annotations

import logging
from datetime import timedelta
from types import SimpleNamespace

import pytest
from moto.server import ThreadedMotoServer

from efir.broadcast import media
from efir.lib import clock as efir_clock


@pytest.fixture
def directory(tmp_path):
    return media.DirectoryStore(tmp_path / "media")


@pytest.fixture
def bucket(monkeypatch):
    """A bucket of a local server."""
    import boto3

    from efir.broadcast.s3 import S3Store

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    try:
        boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket="efir")
        yield S3Store(f"s3://efir/video?endpoint={endpoint}&region=us-east-1")
    finally:
        server.stop()


@pytest.mark.parametrize("kind", ["directory", "bucket"])
def test_store_keeps_files(kind, request, tmp_path):
    store = request.getfixturevalue(kind)
    name = media.new_name(17)
    assert store.read(name) is None
    assert store.size(name) is None
    store.save(name, b"0123456789")
    assert store.read(name) == b"0123456789"
    assert store.read_part(name, 3, 4) == b"3456"
    assert store.size(name) == 10
    scratch, large = tmp_path / "media/17/x.new", media.new_name(17, "mp4")
    scratch.parent.mkdir(parents=True, exist_ok=True)
    scratch.write_bytes(b"a recording")
    store.save_file(large, scratch)
    assert not scratch.exists()
    assert store.read(large) == b"a recording"
    # Other tests of this process use the same bucket.
    assert {each for each in store.names() if each.startswith("17/")} == {name, large}
    store.delete(name)
    store.delete(name)
    assert store.read(name) is None
    with pytest.raises(ValueError, match="etc"):
        store.read("../../etc/passwd")


def test_bucket_that_is_away_is_an_os_error(bucket):
    bucket._storage.bucket_name = "another"
    bucket._storage._bucket = None
    with pytest.raises(OSError, match="the media storage failed"):
        bucket.save(media.new_name(1), b"x")


def test_directory_leaves_the_last_of_the_disk_alone(directory, monkeypatch):
    monkeypatch.setattr(
        media.shutil, "disk_usage", lambda _: SimpleNamespace(free=media.RESERVED_BYTES + 100)
    )
    directory.save(media.new_name(1), bytes(100))
    with pytest.raises(media.NoSpace):
        directory.save(media.new_name(1), bytes(101))


def test_signed_address_ends(clock):
    name = media.new_name(17)
    address = media.url_of(name, efir_clock.now() + timedelta(minutes=5))
    match = media.PATH.fullmatch(address)
    assert match is not None
    expires, signature, same = match.groups()
    assert same == name
    assert media.is_valid(expires, signature, name)
    assert not media.is_valid(str(int(expires) + 1), signature, name)
    assert not media.is_valid(expires, signature, media.new_name(17))
    clock.move(301)
    assert not media.is_valid(expires, signature, name)
