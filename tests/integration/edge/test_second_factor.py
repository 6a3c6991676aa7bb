"""Between password and code nobody is logged in at any entry point, and an ended session is refused by all at once."""

from __future__ import annotations

import re

import pyotp
import pytest
from django.test import Client

from efir.accounts import second_factor
from efir.accounts.capabilities import Role
from efir.hooks.actions import Context, Source
from efir.lib.concurrency import in_thread
from efir.webinars import core
from tests.conftest import PASSWORD, SYSTEM

pytestmark = pytest.mark.django_db(transaction=True)

STEP_S = 30


@pytest.fixture
def secret():
    return second_factor.new_secret()


@pytest.fixture
def speaker(make_person, clock, secret):
    person = make_person(Role.SPEAKER, password=PASSWORD)
    code = pyotp.TOTP(secret).at(int(clock().timestamp()))
    second_factor.enable(person, secret, code, Context(person.pk, Source.WEB))
    clock.move(STEP_S)
    return person


@pytest.fixture
def live(make_webinar):
    webinar = make_webinar()
    core.core_webinar_set_status(webinar.pk, "start", SYSTEM)
    return webinar


def cookies_of(client):
    return "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items() if morsel.value)


async def answers(site, webinar, cookies):
    """Return what each door answers: pages from memory, the room, its state and stream, and Django's own pages."""
    room = f"/account/webinar_room/{webinar.pk}"
    doors = [
        ("/webinars/", "GET"),
        (f"{room}/", "GET"),
        (f"{room}/watch", "POST"),
        (f"{room}/messages", "GET"),
        (f"/api/webinars/{webinar.pk}/state", "GET"),
        ("/account/", "GET"),
        ("/admin_webinar/", "GET"),
        ("/metrics", "GET"),
    ]
    found = [await site.get(path, method=method, cookies=cookies) for path, method in doors]
    return [answer.status for answer in found], "/admin_webinar/" in found[0].text


def test_password_alone_opens_what_a_guest_opens(run, live, speaker):
    client = Client()
    assert client.post("/login/", {"username": speaker.login, "password": PASSWORD}).url == "/login/code/"
    cookies = cookies_of(client)
    assert "efir_password_step" in cookies

    async def scenario(site):
        async with site.running():
            return await answers(site, live, ""), await answers(site, live, cookies)

    guest, half = run(scenario)
    assert half == guest
    assert half[0][:2] == [200, 302]


def test_code_opens_them(run, live, speaker, secret, clock):
    client = Client()
    client.post("/login/", {"username": speaker.login, "password": PASSWORD})
    client.post("/login/code/", {"code": pyotp.TOTP(secret).at(int(clock().timestamp()))})
    cookies = cookies_of(client)

    async def scenario(site):
        async with site.running():
            return await answers(site, live, cookies)

    statuses, is_speaker = run(scenario)
    assert is_speaker
    assert statuses[1] == statuses[4] == statuses[5] == 200


@pytest.mark.parametrize("end", ["one", "others", "reset"])
def test_ended_login_is_out_at_once(run, live, visitor, clock, end):
    lost, own = visitor(Role.SPEAKER), Client()
    own.force_login(lost.person)
    secret = second_factor.new_secret()
    code = pyotp.TOTP(secret).at(int(clock().timestamp()))

    def end_it():
        if end == "one":
            page = own.get("/account/security/").content.decode()
            own.post(re.search(r"/account/sessions/\w{32}/end", page)[0])
        elif end == "others":
            own.post("/account/sessions/end")
        else:
            second_factor.enable(lost.person, secret, code, SYSTEM)
            second_factor.reset(lost.person, SYSTEM)

    async def scenario(site):
        async with site.running():
            before = await answers(site, live, f"sessionid={lost.key}")
            await in_thread(end_it)
            return before, await answers(site, live, f"sessionid={lost.key}")

    before, after = run(scenario)
    assert before[1]
    assert not after[1]
    assert after[0][1] == 302
    assert after[0][4] == 401
