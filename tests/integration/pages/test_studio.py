"""The studio's page: who may open devices, and what it says of each webinar."""

from __future__ import annotations

import pytest
from django.test import Client

from efir.accounts.capabilities import Role


@pytest.fixture
def speaker_client(as_role) -> Client:
    return as_role(Role.SPEAKER)


def test_studio_alone_may_open_camera_microphone_and_screen(speaker_client, make_webinar):
    webinar = make_webinar(video="own", player_url="")
    policy = speaker_client.get(f"/admin_webinar/{webinar.pk}/studio/")["Permissions-Policy"]
    for feature in ("camera", "microphone", "display-capture"):
        assert f"{feature}=(self)" in policy
        for path in (f"/admin_webinar/{webinar.pk}/", f"/account/webinar_room/{webinar.pk}/", "/webinars/"):
            assert f"{feature}=()" in speaker_client.get(path)["Permissions-Policy"]
    assert "geolocation=()" in policy


def test_studio_page_has_no_inline_script_or_style(speaker_client, make_webinar):
    webinar = make_webinar(video="own", player_url="")
    page = speaker_client.get(f"/admin_webinar/{webinar.pk}/studio/").content.decode()
    assert 'id="picture"' in page
    assert "<style" not in page
    assert " style=" not in page
    assert "<script>" not in page


def test_studio_of_another_player_says_where_to_change_it(speaker_client, make_webinar):
    page = speaker_client.get(f"/admin_webinar/{make_webinar().pk}/studio/").content.decode()
    assert "Выберите «Свой эфир»" in page
    assert 'id="picture"' not in page


def test_studio_of_a_finished_webinar_leads_to_its_page(speaker_client, make_webinar):
    webinar = make_webinar("finished", video="own", player_url="")
    page = speaker_client.get(f"/admin_webinar/{webinar.pk}/studio/").content.decode()
    assert "Эфир завершён" in page
    assert f'href="/admin_webinar/{webinar.pk}/"' in page
    assert 'id="picture"' not in page


@pytest.mark.parametrize(("video", "linked"), [("own", True), ("embed", False)])
def test_speaker_page_links_the_studio_of_its_own_broadcast(speaker_client, make_webinar, video, linked):
    webinar = make_webinar(video=video)
    page = speaker_client.get(f"/admin_webinar/{webinar.pk}/").content.decode()
    assert (f"/admin_webinar/{webinar.pk}/studio/" in page) == linked
