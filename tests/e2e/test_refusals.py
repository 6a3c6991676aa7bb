"""Requests and starts that must be refused, tried on the running system."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.site import EFIR, PASSWORD, Site, Visitor, eventually

JSON = {"Accept": "application/json"}


def test_guest_cannot_enter_the_room(site, cast):
    webinar = cast.webinar()
    guest = Visitor(site)
    answer = guest.get(f"/account/webinar_room/{webinar}/")
    assert answer.status_code == 302
    assert "/login/" in answer.headers["location"]
    assert guest.get(f"/account/webinar_room/{webinar}/stream").status_code == 401
    assert guest.get(f"/api/webinars/{webinar}/state").status_code == 401


@pytest.mark.parametrize("path", ["/admin_webinar/", "/admin_webinar/{}/", "/admin_webinar/new/"])
def test_candidate_cannot_open_the_speaker_page(cast, path):
    webinar = cast.webinar()
    _, candidate = cast.candidate(linked=False)
    assert candidate.get(path.format(webinar)).status_code == 403


@pytest.mark.parametrize("action", ["start", "stop", "cta", "recording", "publish", "withdraw"])
def test_candidate_cannot_control_a_webinar(site, cast, action):
    webinar = cast.webinar()
    _, candidate = cast.candidate(linked=False)
    answer = candidate.post(
        f"/admin_webinar/{webinar}/{action}", visible="true", url="https://x.example", actor_id="1"
    )
    assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")
    assert Visitor(site).post(f"/admin_webinar/{webinar}/{action}").status_code in (302, 401, 403)


def test_post_without_csrf_token_is_refused(cast, speaker):
    webinar = cast.webinar()
    assert speaker.http.post(f"/admin_webinar/{webinar}/start").status_code == 403
    assert speaker.get(f"/api/webinars/{webinar}/state").json()["status"] == "scheduled"


@pytest.mark.parametrize("spelling", ["0{}", "{}x", "+{}", "%20{}", "{}.0", "-{}", "٣"])
def test_other_spellings_of_an_id_are_not_found(cast, speaker, spelling):
    webinar = cast.webinar()
    answer = speaker.post(f"/admin_webinar/{spelling.format(webinar)}/start")
    assert answer.status_code == 404
    assert speaker.get(f"/api/webinars/{webinar}/state").json()["status"] == "scheduled"


def test_id_too_large_for_the_database_is_not_found(speaker):
    for number in ("9" * 18, "9" * 19, "9" * 400):
        assert speaker.get(f"/admin_webinar/{number}/").status_code == 404
        assert speaker.get(f"/account/webinar_room/{number}/stream").status_code in (404,)


def test_concurrent_starts_change_the_status_once(site, cast, speaker):
    webinar = cast.webinar()
    visitors = [Visitor(site, "speaker") for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda visitor: visitor.post(f"/admin_webinar/{webinar}/start"), visitors))
    assert {(answer.status_code, answer.json()["status"]) for answer in answers} == {(200, "live")}
    assert len({answer.json()["version"] for answer in answers}) == 1


def test_concurrent_seats_and_stops_emit_one_event(site, cast, speaker):
    webinar = cast.webinar()
    login, visitor = cast.candidate()
    with ThreadPoolExecutor(8) as pool:
        seats = list(pool.map(lambda _: visitor.post(f"/webinars/{webinar}/seat").status_code, range(8)))
    assert set(seats) == {200}
    speaker.post(f"/admin_webinar/{webinar}/start")
    speaker.post(f"/admin_webinar/{webinar}/recording", url="https://rutube.ru/video/3/")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: speaker.post(f"/admin_webinar/{webinar}/stop"), range(8)))
    states = cast.settled(webinar, 3)
    assert set(states.values()) == {"sent"}
    events = [event for event, _ in site.journal(webinar)]
    assert sorted(events) == ["client_webinar_attendance_classified", "post_webinar_route"]
    assert login in {lead for _, lead in states}


def test_lead_id_in_a_request_is_ignored(site, cast, speaker):
    webinar = cast.webinar()
    victim_login, _ = cast.candidate(linked=False)
    login, visitor = cast.candidate(linked=False)
    speaker.post(f"/admin_webinar/{webinar}/start")
    victim = next(line["id"] for line in _people(site) if line["login"] == victim_login)
    for path in (f"/account/webinar_room/{webinar}/", "/account/webinar_room/"):
        visitor.get(path, params={"lead_id": str(victim), "client_webinar_entered": "1"})
    visitor.post(f"/webinars/{webinar}/seat", lead_id=str(victim), person_id=str(victim))
    with visitor.watching(webinar):
        eventually(lambda: site.journal(webinar) == [("client_webinar_entered", login)])


def _people(site: Site) -> list[dict[str, object]]:
    code = (
        "import django; django.setup()\n"
        "from efir.accounts.models import Person; import json\n"
        "print(json.dumps([dict(id=p.pk, login=p.login) for p in Person.objects.all()]))"
    )
    environ = site.environ | {"DJANGO_SETTINGS_MODULE": "efir.settings"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_room_page_without_stream_is_no_presence(site, cast, speaker):
    webinar = cast.webinar()
    _, visitor = cast.candidate(linked=False)
    speaker.post(f"/admin_webinar/{webinar}/start")
    visitor.get(f"/account/webinar_room/{webinar}/")
    visitor.get(f"/api/webinars/{webinar}/state")
    speaker.post(f"/admin_webinar/{webinar}/stop")
    eventually(lambda: "завершён" in speaker.get(f"/admin_webinar/{webinar}/").text)
    assert site.journal(webinar) == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_api_is_read_only(cast, speaker, method):
    webinar = cast.webinar()
    headers = {"X-CSRFToken": speaker._csrf()}
    answer = speaker.http.request(
        method, f"/api/webinars/{webinar}/state", headers=headers, json={"status": "live"}
    )
    assert answer.status_code == 405


def test_editing_a_finished_webinar_is_refused(cast, speaker):
    webinar = cast.webinar(title="До правки")
    speaker.post(f"/admin_webinar/{webinar}/start")
    speaker.post(f"/admin_webinar/{webinar}/stop")
    answer = speaker.post(
        f"/admin_webinar/{webinar}/",
        title="После правки",
        status="live",
        player_url="https://rutube.ru/play/embed/x",
    )
    assert answer.status_code == 409
    page = speaker.get(f"/admin_webinar/{webinar}/").text
    assert "До правки" in page
    assert speaker.post(f"/admin_webinar/{webinar}/start").json()["error"] == "webinar_state_invalid_restart"
    assert speaker.post(f"/webinars/{webinar}/seat").status_code == 409


def test_draft_is_invisible(site, cast, speaker):
    answer = speaker.post("/admin_webinar/new/", title="Черновик", time_zone="Europe/Moscow", length_min="60")
    draft = int(answer.headers["location"].strip("/").split("/")[-1])
    _, candidate = cast.candidate(linked=False)
    assert candidate.get(f"/account/webinar_room/{draft}/").status_code == 404
    assert candidate.get(f"/account/webinar_room/{draft}/stream").status_code == 404
    assert candidate.get(f"/api/webinars/{draft}/state").status_code == 404
    assert "Черновик" not in Visitor(site).get("/webinars/").text


def test_legacy_addresses_redirect(site):
    guest = Visitor(site)
    assert [guest.get(path).headers["location"] for path in ("/live/", "/live_room/")] == [
        "/webinars/",
        "/account/webinar_room/",
    ]
    assert guest.get("/live/").status_code == 301


def test_second_server_on_one_directory_is_refused(site):
    if site.environ["EFIR_DATABASE_URL"]:
        return  # on PostgreSQL any number may run
    done = site.run("serve")
    assert done.returncode == 2
    assert "SQLite" in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("EFIR_GRACE_S", "ninety", "EFIR_GRACE_S is 'ninety', but it must be seconds"),
        ("EFIR_GRACE", "90", "EFIR_GRACE is not a setting of Efir: did you mean EFIR_GRACE_S?"),
    ],
)
def test_wrong_setting_stops_the_start(tmp_path, name, value, sentence):
    environ = Site(tmp_path).environ | {name: value}
    done = subprocess.run([EFIR, "serve"], env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert sentence in done.stderr


def test_health_reports_a_missing_token(tmp_path, site):
    del site
    other = Site(tmp_path)
    if "EFIR_DATABASE_URL" in other.environ:
        other.environ["EFIR_DATABASE_URL"] = ""
    try:
        other.start()
        assert Visitor(other).get("/healthz").json()["telegram"] == "not_configured"
    finally:
        other.stop()


def test_log_has_no_personal_data(site, cast, speaker):
    webinar = cast.webinar()
    login, visitor = cast.candidate()
    Visitor(site).post("/login/", username=login, password="wrong-password")
    speaker.post(f"/admin_webinar/{webinar}/start")
    with visitor.watching(webinar):
        eventually(lambda: site.facts(webinar))
    log = site.log.read_text()
    chat_ids = [str(sent.message["chat"]["id"]) for sent in cast.fake_bot_api.sent]
    assert "webinar_changed" in log
    for secret in (
        login,
        PASSWORD,
        "wrong-password",
        "vecherniy-efir",
        site.environ["EFIR_TELEGRAM_TOKEN"],
        "test-token",
    ):
        assert secret not in log
    numbers = {
        json.dumps(value)
        for line in log.splitlines()
        if line.startswith("{")
        for value in json.loads(line).values()
    }
    assert not numbers & set(chat_ids)


def test_closed_account_is_logged_out_at_once(site, cast):
    login, visitor = cast.candidate(linked=False)
    assert visitor.get("/account/").status_code == 200
    assert site.run("person", "close", login).returncode == 0
    assert visitor.get("/account/").status_code == 302
    assert site.run("person", "close", "nobody").returncode == 1
