"""Viewers without a picture: what their pages say, and what the speaker sees of it."""

from __future__ import annotations

import pytest

from efir.accounts.capabilities import Role
from efir.room.playback import COUNTED


@pytest.fixture
def webinar(make_webinar):
    return make_webinar("live")


def tell(client, webinar, playing: str):
    return client.post(f"/account/webinar_room/{webinar.pk}/playback", {"playing": playing})


def counted(client, webinar) -> int:
    return client.get(f"/account/webinar_room/{webinar.pk}/playback").json()["without_picture"]


def test_speaker_sees_how_many_viewers_have_no_picture(as_role, webinar):
    speaker, first, second = as_role(Role.SPEAKER), as_role(Role.CANDIDATE), as_role(Role.CANDIDATE)
    for viewer in (first, second, first):
        assert tell(viewer, webinar, "false").status_code == 204
    assert counted(speaker, webinar) == 2
    tell(first, webinar, "true")
    assert counted(speaker, webinar) == 1


def test_page_that_says_nothing_more_is_not_counted(as_role, webinar, clock):
    speaker, viewer = as_role(Role.SPEAKER), as_role(Role.CANDIDATE)
    tell(viewer, webinar, "false")
    clock.move(COUNTED.total_seconds() + 1)
    assert counted(speaker, webinar) == 0


def test_nothing_is_recorded_outside_the_broadcast(as_role, make_webinar):
    webinar = make_webinar()
    assert tell(as_role(Role.CANDIDATE), webinar, "false").status_code == 204
    assert webinar.playback_troubles.count() == 0


def test_viewers_do_not_see_the_count(member, webinar):
    assert member.get(f"/account/webinar_room/{webinar.pk}/playback").status_code == 403


def test_wrong_value_is_refused(member, webinar):
    assert tell(member, webinar, "perhaps").status_code == 400
