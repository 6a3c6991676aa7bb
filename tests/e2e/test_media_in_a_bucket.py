"""The own broadcast and its recording with media in S3-compatible storage: a local server of that kind."""

from __future__ import annotations

import logging
import re
from io import BytesIO

import av
import httpx
import pytest
from moto.server import ThreadedMotoServer

from tests.e2e.conftest import Cast
from tests.support.recorder import record
from tests.support.sender import Player, Sender
from tests.support.site import Visitor, eventually, running_site


@pytest.fixture
def bucket(monkeypatch):
    """Run the server; yield the bucket and the value of `EFIR_MEDIA_URL`."""
    import boto3

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    try:
        bucket = boto3.resource("s3", endpoint_url=endpoint, region_name="us-east-1").Bucket("efir")
        bucket.create()
        yield bucket, f"s3://efir/video?endpoint={endpoint}&region=us-east-1"
    finally:
        server.stop()


def test_broadcast_and_recording_lie_in_a_bucket(tmp_path, bucket):
    objects, address = bucket
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    with running_site(tmp_path, EFIR_MEDIA_URL=address, **keys) as site:
        cast = Cast(site, Visitor(site, "speaker"), None)
        webinar = cast.webinar(video="own", player_url="")
        cast.speaker.post(f"/admin_webinar/{webinar}/start")
        sender, player = Sender(cast.speaker, webinar), Player(cast.speaker, webinar)
        sender.send(record(seconds=4))
        sender.end()
        player.until(4)
        assert player.frames() == 120
        cast.speaker.post(f"/admin_webinar/{webinar}/stop")

        def ready() -> dict | None:
            answer = cast.speaker.get(f"/admin_webinar/{webinar}/recording").json()
            return answer if answer["state"] == "ready" else None

        found = eventually(ready)
        video = httpx.get(f"{found['url']}video.mp4")
        with av.open(BytesIO(video.content)) as file:
            assert sum(1 for _ in file.decode(video=0)) == round(found["seconds"] * 30)
        part = httpx.get(f"{found['url']}video.mp4", headers={"Range": "bytes=100-199"})
        assert (part.status_code, part.content) == (206, video.content[100:200])
        listed = re.findall(r"^/media/.*", httpx.get(f"{found['url']}video.m3u8").text, re.MULTILINE)
        assert httpx.get(f"{site.url}{listed[0]}").status_code == 200
        assert not [path for path in (site.data_dir / "media").rglob("*") if path.is_file()]
        stored = {each.key for each in objects.objects.all()}
        assert all(name.startswith(f"video/{webinar}/") for name in stored)
        assert any(name.endswith(".mp4") for name in stored)
        verified = site.run("verify")
        assert verified.returncode == 0, verified.stdout
