"""A recording whose worker is killed while it is prepared: another one starts over, and no files are left behind."""

from __future__ import annotations

from io import BytesIO

import av
import httpx
import pytest

from tests.e2e.conftest import Cast
from tests.support.recorder import record
from tests.support.sender import Sender
from tests.support.site import Visitor, eventually, running_site

SECONDS = 6
KILLS = 3


@pytest.fixture
def site(tmp_path):
    with running_site(tmp_path) as site:
        yield site


def test_recording_survives_kills(site):
    cast = Cast(site, Visitor(site, "speaker"), None)
    webinar = cast.webinar(video="own", player_url="")
    cast.speaker.post(f"/admin_webinar/{webinar}/start")
    sender = Sender(cast.speaker, webinar)
    sender.send(record(seconds=SECONDS))
    sender.end()
    sender.until_past(SECONDS)
    cast.speaker.post(f"/admin_webinar/{webinar}/stop")
    claimed = f"broadcast_recording WHERE webinar_id = {webinar} AND claimed_until IS NOT NULL"
    for _ in range(KILLS):
        eventually(lambda: site.count(claimed) or is_ready(cast, webinar))
        site.kill(site.processes[-1])
        site.start()
    found = eventually(lambda: is_ready(cast, webinar))
    assert abs(found["seconds"] - SECONDS) < 1.5
    with av.open(BytesIO(httpx.get(f"{found['url']}video.mp4").content)) as played:
        assert sum(1 for _ in played.decode(video=0)) == round(found["seconds"] * 30)
    assert not list((site.data_dir / "media").rglob("*.new"))
    verified = site.run("verify")
    assert verified.returncode == 0, verified.stdout


def is_ready(cast: Cast, webinar: int):
    answer = cast.speaker.get(f"/admin_webinar/{webinar}/recording").json()
    return answer if answer["state"] == "ready" else None
