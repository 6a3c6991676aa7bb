"""Viewers who lose access while they watch are disconnected, and cannot come back."""

from __future__ import annotations

import pytest

from tests.support.site import Stream, Visitor, eventually


@pytest.fixture
def evening(site, cast):
    """Start a webinar; return its id, and the login and browser of a candidate."""
    webinar = cast.webinar()
    login, visitor = cast.candidate(linked=False)
    cast.speaker.post(f"/admin_webinar/{webinar}/start")
    yield webinar, login, visitor
    cast.speaker.post(f"/admin_webinar/{webinar}/stop")


def test_withdrawn_webinar_shows_and_comes_back(site, cast):
    webinar = cast.webinar()
    _, visitor = cast.candidate(webinar=webinar)
    page = f"/account/webinar_room/{webinar}/"
    with visitor.watching(webinar) as tab:
        tab.until(status="scheduled", withdrawn=False)
        assert cast.speaker.post(f"/admin_webinar/{webinar}/withdraw", withdrawn="true").status_code == 200
        tab.until(status="scheduled", withdrawn=True)
        assert 'data-screen="withdrawn"' in visitor.get(page).text
        refused = cast.speaker.post(f"/admin_webinar/{webinar}/start")
        assert (refused.status_code, refused.json()["error"]) == (409, "webinar_withdrawn")
        assert not tab.ended
        assert cast.speaker.post(f"/admin_webinar/{webinar}/withdraw", withdrawn="false").status_code == 200
        eventually(lambda: tab.state["withdrawn"] is False)
        assert 'data-screen="withdrawn"' not in visitor.get(page).text
        assert cast.speaker.post(f"/admin_webinar/{webinar}/start").status_code == 200
        tab.until(status="live")
        eventually(lambda: site.facts(webinar) == 1)  # the entry is recorded as usual
    assert cast.speaker.post(f"/admin_webinar/{webinar}/stop").status_code == 200


def close_account(site, login: str, visitor: Visitor) -> None:
    assert site.run("person", "close", login).returncode == 0


def log_out(site, login: str, visitor: Visitor) -> None:
    assert visitor.post("/logout/").status_code == 302


@pytest.mark.parametrize("lose_access", [close_account, log_out])
def test_viewer_who_loses_access_is_disconnected(site, cast, evening, lose_access):
    webinar, login, visitor = evening
    other = Visitor(site, "speaker")
    with visitor.watching(webinar) as tab, other.watching(webinar) as speakers_tab:
        cookies = dict(visitor.http.cookies)
        speakers_tab.until(viewers=2)
        lose_access(site, login, visitor)
        eventually(lambda: tab.ended)
        speakers_tab.until(viewers=1)
        assert not speakers_tab.ended
    visitor.http.cookies.update(cookies)
    again = Stream(visitor, webinar)
    eventually(lambda: again.status)
    again.close()
    assert again.status == 401
    assert visitor.get(f"/api/webinars/{webinar}/state").status_code == 401
    assert visitor.get(f"/account/webinar_room/{webinar}/").status_code == 302
