"""The reference scenarios A to D with real HTTP, a real database and real calls of the Bot API."""

from __future__ import annotations

import json
import re
from datetime import datetime

import httpx
import pytest

from tests.support.site import Visitor, eventually


@pytest.mark.smoke
def test_a_a_guest_sees_the_schedule(site, cast):
    webinar = cast.webinar(title="Вебинар для гостей", cta_text="Хочу на эфир")
    page = Visitor(site).get("/webinars/")
    assert page.status_code == 200
    assert "Вебинар для гостей" in page.text
    assert "Хочу на эфир" in page.text
    assert f"/signup/?webinar={webinar}" in page.text


@pytest.mark.smoke
def test_b_the_speaker_starts_and_stops_through_the_hook(site, cast, speaker):
    webinar = cast.webinar()
    assert speaker.post(f"/admin_webinar/{webinar}/stop").json()["error"] == "webinar_state_invalid_stop"
    assert speaker.post(f"/admin_webinar/{webinar}/start").json()["status"] == "live"
    assert speaker.post(f"/admin_webinar/{webinar}/cta", visible="true").json()["cta_visible"] is True
    assert speaker.post(f"/admin_webinar/{webinar}/stop").json()["status"] == "finished"
    (line,) = [line for line in site.lines("webinar", "list") if line["id"] == webinar]
    assert (line["status"], line["finished_at"][-1]) == ("finished", "Z")


@pytest.mark.smoke
def test_c_and_d_a_whole_evening_and_its_messages(site, cast, speaker):
    webinar = cast.webinar(title="Вечер <С&Д>")
    stayed_login, stayed = cast.candidate(webinar=webinar)
    left_login, left = cast.candidate()
    absent_login, _ = cast.candidate("partner2", webinar=webinar)
    with stayed.watching(webinar) as tab:
        assert tab.state["status"] == "scheduled"
        assert stayed.post(f"/account/webinar_room/{webinar}/watch").status_code == 409
        with left.watching(webinar) as other:
            speaker.post(f"/admin_webinar/{webinar}/start")
            assert "youtube" not in str(tab.until(status="live"))
            player = stayed.post(f"/account/webinar_room/{webinar}/watch").json()
            assert player["url"].startswith("https://www.youtube.com/")
            other.until(status="live")
            eventually(lambda: site.facts(webinar) == 2)  # both entered, those who waited too
        speaker.post(f"/admin_webinar/{webinar}/cta", visible="true")
        tab.until(cta_visible=True, viewers=1)
        # The other one is away for longer than the grace (3 s) before the stop: by the recorded evidence.
        eventually(lambda: _seconds_since_left(site, webinar, left) > 3.5)
        stop = speaker.post(f"/admin_webinar/{webinar}/stop")
        tab.until(status="finished")
        eventually(lambda: tab.ended)

    eventually(lambda: site.judged(webinar) == 3)
    verdicts = {
        line["lead"]: (line["attended"], line["reason"])
        for line in site.lines("verdicts", "--webinar", str(webinar))
    }
    assert verdicts == {
        stayed_login: (True, "stayed_to_end"),
        left_login: (False, "left_early"),
        absent_login: (False, "no_show"),
    }
    journal = site.journal(webinar)
    assert sorted(journal) == sorted(
        [
            ("client_webinar_entered", stayed_login),
            ("client_webinar_entered", left_login),
            ("client_webinar_completed", stayed_login),
            *[("client_webinar_attendance_classified", lead) for lead in verdicts],
            *[("post_webinar_route", lead) for lead in verdicts],
        ]
    )
    states = cast.settled(webinar, 8)
    waiting = {("candidate_recording", left_login), ("candidate_recording", absent_login)}
    assert {key for key, state in states.items() if state == "waiting_recording"} == waiting
    assert {state for key, state in states.items() if key not in waiting} == {"sent"}

    told = [message["text"] for message in cast.received(900)]
    assert len([text for text in told if "Вечер <С&Д>" in text]) == 2
    answer = speaker.post(f"/admin_webinar/{webinar}/recording", url="https://rutube.ru/video/1/")
    assert answer.status_code == 200
    assert set(cast.settled(webinar, 8).values()) == {"sent"}
    with_button = [
        sent.params["reply_markup"]
        for sent in cast.fake_bot_api.sent
        if "rutube.ru/video/1" in str(sent.params)
    ]
    assert len(with_button) == 2
    messages = {line["id"]: line["kind"] for line in site.lines("outbox", "--webinar", str(webinar))}
    assert _led_to_by(site, stop.headers["x-request-id"]) == set(messages)
    assert _let_go_by(site, answer.headers["x-request-id"]) == {
        number for number, kind in messages.items() if kind == "candidate_recording"
    }
    numbers = httpx.get(f"{site.url}/metrics", headers={"Host": "localhost"}).text
    assert re.search(r"^efir_telegram_sends_total\{.*\} [1-9]", numbers, re.MULTILINE), numbers


def _led_to_by(site, request_id: str) -> set[int]:
    """Return the messages that the log attributes to this request."""
    lines = [json.loads(line) for line in site.log.read_text().splitlines() if line.startswith("{")]
    (cause,) = {line["cause"] for line in lines if line.get("request_id") == request_id and "cause" in line}
    after = [line for line in lines if line.get("cause") == cause]
    assert {line["event"] for line in after} >= {"webinar_changed", "emitted", "classified", "enqueued"}
    return {number for line in after for number in line.get("message_ids", [])}


def _let_go_by(site, request_id: str) -> set[int]:
    """Return the messages that the request's own log lines name."""
    lines = [json.loads(line) for line in site.log.read_text().splitlines() if line.startswith("{")]
    mine = [line for line in lines if line.get("request_id") == request_id]
    return {number for line in mine for number in line.get("message_ids", [])}


def _seconds_since_left(site, webinar: int, visitor: Visitor) -> float:
    """Return the seconds since this visitor left the room, by the server's clock."""
    state = visitor.get(f"/api/webinars/{webinar}/state").json()
    now = datetime.fromisoformat(state["server_time"])
    first = visitor.__dict__.setdefault("left_at", now)
    return (now - first).total_seconds()


def test_messages_wait_for_the_link_and_go_out_with_it(site, cast, speaker):
    webinar = cast.webinar()
    login, visitor = cast.candidate(webinar=webinar, linked=False)
    speaker.post(f"/admin_webinar/{webinar}/start")
    speaker.post(f"/admin_webinar/{webinar}/recording", url="https://rutube.ru/video/2/")
    speaker.post(f"/admin_webinar/{webinar}/stop")
    states = cast.settled(webinar, 3)
    assert states["candidate_followup", login] == states["candidate_recording", login] == "waiting_link"
    cast.link(visitor, 7001)
    assert set(cast.settled(webinar, 3).values()) == {"sent"}
    # Both were due at the same moment: one message carried both, after the bot's greeting.
    assert len(cast.received(7001)) == 2
    lines = {line["kind"]: line for line in site.lines("outbox", "--webinar", str(webinar))}
    assert lines["candidate_recording"]["carried_by"] == lines["candidate_followup"]["id"]


def test_the_command_line_beside_the_server_reaches_the_room(site, cast):
    webinar = cast.webinar()
    _, visitor = cast.candidate()
    with visitor.watching(webinar) as tab:
        for action, status in (
            ("start", "live"),
            ("pause", "paused"),
            ("resume", "live"),
            ("stop", "finished"),
        ):
            done = site.run("webinar", action, str(webinar))
            assert done.returncode == 0, done.stderr
            tab.until(status=status)
    refused = site.run("webinar", "start", str(webinar))
    assert refused.returncode == 1
    assert "webinar_state_invalid_restart" in refused.stderr


def test_two_tabs_are_one_viewer_and_closing_one_ends_nothing(site, cast, speaker):
    webinar = cast.webinar()
    login, visitor = cast.candidate()
    speaker.post(f"/admin_webinar/{webinar}/start")
    with visitor.watching(webinar) as first:
        with visitor.watching(webinar):
            first.until(viewers=1)
        eventually(lambda: site.journal(webinar) == [("client_webinar_entered", login)])
        speaker.post(f"/admin_webinar/{webinar}/stop")
    eventually(lambda: site.judged(webinar))
    (verdict,) = site.lines("verdicts", "--webinar", str(webinar))
    assert verdict["reason"] == "stayed_to_end"
    assert len(verdict["intervals"]) == 1


def test_partners_and_speakers_in_the_room_emit_nothing(site, cast, speaker):
    webinar = cast.webinar()
    partner = Visitor(site, "partner")
    login, _ = cast.candidate(webinar=webinar)
    speaker.post(f"/webinars/{webinar}/seat")
    speaker.post(f"/admin_webinar/{webinar}/start")
    with partner.watching(webinar) as tab, speaker.watching(webinar):
        tab.until(viewers=2)
        speaker.post(f"/admin_webinar/{webinar}/stop")
        tab.until(status="finished")
    # The one lead is judged, so everybody is; and nothing is said of anybody else.
    assert {lead for _, lead in cast.settled(webinar, 3)} == {login}
    assert {lead for _, lead in site.journal(webinar)} == {login}
    assert [line["lead"] for line in site.lines("verdicts", "--webinar", str(webinar))] == [login]


def test_attended_means_watched(site, cast, speaker):
    """One viewer watches, one only has the page open, one starts to watch at the last moment."""
    webinar = cast.webinar()
    room = f"/account/webinar_room/{webinar}"
    people = {name: cast.candidate() for name in ("watches", "pretends", "late")}
    logins, visitors = ({name: each[part] for name, each in people.items()} for part in (0, 1))
    strict = site.beside()  # the least share is fixed at the start, by whoever starts
    strict.environ["EFIR_MIN_WATCHED"] = "50"
    assert strict.run("webinar", "start", str(webinar)).returncode == 0
    with (
        visitors["pretends"].watching(webinar, "?watching=1"),
        visitors["late"].watching(webinar) as tab,
        visitors["watches"].watching(webinar, "?watching=1"),
    ):
        started_at = datetime.fromisoformat(tab.until(status="live")["started_at"])

        def elapsed_s() -> float:
            state = visitors["late"].get(f"/api/webinars/{webinar}/state").json()
            return (datetime.fromisoformat(state["server_time"]) - started_at).total_seconds()

        assert visitors["watches"].post(f"{room}/watch").json()["video"] == "embed"
        needed_s = 3 * elapsed_s() + 3
        eventually(lambda: elapsed_s() > needed_s)
        assert visitors["late"].post(f"{room}/watch").status_code == 200
        with visitors["late"].watching(webinar, "?watching=1"):
            speaker.post(f"/admin_webinar/{webinar}/stop")
    eventually(lambda: site.judged(webinar) == 3)
    verdicts = {line["lead"]: line for line in site.lines("verdicts", "--webinar", str(webinar))}
    assert {name: verdicts[login]["reason"] for name, login in logins.items()} == {
        "watches": "stayed_to_end",
        "pretends": "not_watched",
        "late": "watched_too_little",
    }
    assert ("client_webinar_completed", logins["watches"]) in site.journal(webinar)
    watched = verdicts[logins["watches"]]
    assert watched["live_s"] / 2 < watched["watched_s"] < watched["live_s"]
    assert watched["recomputed"] == "stayed_to_end"
    # Each has a message to the inviter and a follow-up; two wait for the recording.
    cast.settled(webinar, 8)
    told = [message["text"] for message in cast.received(900)]
    assert any("Просмотр: 0 минут из" in text for text in told)
