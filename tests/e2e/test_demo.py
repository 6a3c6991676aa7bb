"""The demo, run from a wheel: sample people, a fake Telegram, data that survives a restart."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.site import Site, Visitor, eventually

pytestmark = pytest.mark.one_database  # the demo has its own SQLite file

ROOT = Path(__file__).parents[2]
PASSWORD = "efir-demo"
LOGINS = [
    "admin",
    "speaker",
    "leader",
    "partner",
    "partner2",
    *(f"candidate{number}" for number in range(1, 7)),
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Return the package as a wheel installs it."""
    directory = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (file,) = directory.glob("*.whl")
    zipfile.ZipFile(file).extractall(directory / "installed")
    return directory / "installed"


@pytest.fixture(scope="module")
def demo(tmp_path_factory, wheel):
    # An English locale would ask for English people.
    site = Site(tmp_path_factory.mktemp("demo"), PYTHONPATH=str(wheel), LANGUAGE="ru")
    for name in ("EFIR_DATABASE_URL", "EFIR_MIN_WATCHED", "EFIR_TELEGRAM_RATE"):
        del site.environ[name]
    site.start("demo")
    try:
        yield site
    finally:
        site.stop()


def visitor(site: Site, login: str) -> Visitor:
    visitor = Visitor(site)
    visitor.log_in(login, PASSWORD)
    return visitor


@pytest.mark.smoke
@pytest.mark.parametrize("login", LOGINS)
def test_every_login_works(demo, login):
    assert visitor(demo, login).get("/account/").status_code == 200


@pytest.mark.smoke
def test_wheel_runs_its_own_code(demo, wheel):
    code = "import efir.settings; print(efir.settings.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd="/", env=demo.environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(wheel / "efir/settings.py")
    assert Visitor(demo).get("/demo/components/").status_code == 200


@pytest.mark.smoke
def test_pages_have_content(demo):
    schedule = Visitor(demo).get("/webinars/").text
    assert "Своё дело без вложений" in schedule
    finished, near = demo.lines("webinar", "list")[:2]
    assert (finished["status"], near["status"]) == ("finished", "scheduled")
    reasons = {
        line["lead"]: line["reason"] for line in demo.lines("verdicts", "--webinar", str(finished["id"]))
    }
    assert sorted(reasons.values()) == [
        "left_early",
        "no_show",
        "not_watched",
        "stayed_to_end",
        "unknown",
        "watched_too_little",
    ]
    assert {line["recomputed"] for line in demo.lines("verdicts", "--webinar", str(finished["id"]))} == set(
        reasons.values()
    )
    page = visitor(demo, "speaker").get(f"/admin_webinar/{finished['id']}/").text
    assert "Катя Первая" in page


@pytest.mark.smoke
def test_messages_arrive_or_wait_for_a_chat(demo):
    states = eventually(lambda: s if "queued" not in (s := demo.outbox(1)).values() else {})
    waiting = {lead for (_, lead), state in states.items() if state == "waiting_link"}
    assert waiting == {"candidate3", "candidate6"}
    eventually(lambda: set(demo.outbox(1).values()) == {"sent", "waiting_link"})
    page = visitor(demo, "admin").get("/demo/telegram/").text
    assert "Контакты кандидата" in page


def test_all_candidates_but_one_have_a_seat(demo):
    near = demo.lines("webinar", "list")[1]["id"]
    without = [
        login
        for login in LOGINS[5:]
        if f"/webinars/{near}/seat" in visitor(demo, login).get("/webinars/").text
    ]
    assert without == ["candidate5"]


@pytest.mark.smoke
def test_telegram_link_stays_inside_the_demo(demo):
    candidate = visitor(demo, "candidate6")
    json = candidate.post("/account/telegram/link", headers={"Accept": "application/json"}).json()
    assert json["url"].startswith("https://t.me/efir_demo_bot?start=")
    answer = candidate.post("/account/telegram/link", headers={"Accept": "text/html"})
    assert answer.headers["location"].startswith("/demo/telegram/?start=")
    payload = answer.headers["location"].partition("start=")[2]
    me = next(line["person_id"] for line in demo.lines("outbox") if line["person"] == "candidate6")
    assert candidate.post(f"/demo/telegram/{me}/start", payload=payload).status_code == 302
    eventually(lambda: {s for (_, lead), s in demo.outbox(1).items() if lead == "candidate6"} == {"sent"})


def test_serve_refuses_demo_data(demo):
    done = demo.run("serve")
    assert done.returncode == 2
    assert "EFIR_DATA_DIR" in done.stderr


def test_demo_refuses_a_real_token(demo):
    demo.environ["EFIR_TELEGRAM_TOKEN"] = "123:secret-token"
    try:
        done = demo.run("demo")
    finally:
        del demo.environ["EFIR_TELEGRAM_TOKEN"]
    assert done.returncode == 2
    assert "EFIR_TELEGRAM_TOKEN" in done.stderr
    assert "secret-token" not in done.stderr


def test_data_is_kept_until_reset(demo):
    admin = visitor(demo, "admin")
    admin.post("/admin_webinar/new/", title="Оставленный", time_zone="Europe/Moscow", length_min="60")
    demo.stop()
    demo.start("demo")
    titles = [line["title"] for line in demo.lines("webinar", "list")]
    assert "Оставленный" in titles
    assert titles.count("Своё дело без вложений") == 1
    demo.stop()
    demo.start("demo", "--reset")
    assert "Оставленный" not in [line["title"] for line in demo.lines("webinar", "list")]
    eventually(lambda: "sent" in demo.outbox(1).values())


@pytest.mark.smoke
def test_picture_goes_on_air_without_a_camera(demo):
    webinar = next(line["id"] for line in demo.lines("webinar", "list") if line["status"] == "scheduled")
    speaker, viewer = visitor(demo, "speaker"), visitor(demo, "candidate1")
    assert "Пустить тестовую картинку" in speaker.get("/demo/picture/").text
    assert viewer.get("/demo/picture/").status_code == 403
    assert speaker.post(f"/demo/picture/{webinar}").status_code == 302
    assert "картинка идёт" in speaker.get("/demo/picture/").text
    assert speaker.post(f"/admin_webinar/{webinar}/start").status_code == 200
    player = viewer.post(f"/account/webinar_room/{webinar}/watch").json()
    assert player["video"] == "own"
    playlist = eventually(lambda: text if "#EXTINF" in (text := viewer.get(player["url"]).text) else "")
    segment = next(line for line in playlist.splitlines() if not line.startswith("#"))
    assert viewer.get(segment).status_code == 200
    assert speaker.post(f"/demo/picture/{webinar}").status_code == 302
    assert "картинка идёт" not in speaker.get("/demo/picture/").text
