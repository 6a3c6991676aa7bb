"""Limits of logins, queues and bodies: what is counted, for whom, and that one client does not block another."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from django.test import Client

from efir.edge import body_limit
from efir.edge.body_limit import BodyLimitMiddleware
from efir.edge.password_queue import FairQueue, QueueFull
from efir.web import client_ip
from efir.web.rate_limit import LIMITS
from efir.web.security_headers import permissions_policy
from tests.conftest import PASSWORD

GOOD = {"username": "olga@example.ru", "password": PASSWORD}
WRONG = GOOD | {"password": "wrong"}


@pytest.fixture
def behind_a_proxy(settings):
    settings.EFIR = replace(settings.EFIR, trusted_proxies=1)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "1.1.1.1", "9.9.9.9"),
        (1, "", "9.9.9.9"),
        (1, "6.6.6.6, 1.1.1.1", "1.1.1.1"),
        (1, "not an address", "9.9.9.9"),
        (2, "6.6.6.6, 1.1.1.1, 2.2.2.2", "1.1.1.1"),
        (2, "1.1.1.1", "9.9.9.9"),
    ],
)
def test_client_ip_trusts_own_proxies_only(settings, proxies, forwarded, address):
    settings.EFIR = replace(settings.EFIR, trusted_proxies=proxies)
    assert client_ip.client_ip("9.9.9.9", forwarded) == address


def test_rate_limit_key_joins_an_ipv6_network():
    assert (
        client_ip.rate_limit_key("2001:db8::1")
        == client_ip.rate_limit_key("2001:db8::ffff:2")
        == "2001:db8::"
    )
    assert client_ip.rate_limit_key("::ffff:1.2.3.4") == "1.2.3.4"


@pytest.mark.django_db
class TestLogIn:
    def test_forged_forwarded_header_changes_nothing(self, make_person):
        make_person(login=GOOD["username"], password=PASSWORD)
        codes = [
            Client(headers={"x-forwarded-for": f"10.0.0.{n}"}).post("/login/", WRONG).status_code
            for n in range(11)
        ]
        assert codes[-1] == 429

    @pytest.mark.parametrize("name", ["login_failures_address", "login_failures_account"])
    def test_address_and_login_are_limited_separately(self, behind_a_proxy, monkeypatch, make_person, name):
        monkeypatch.setitem(LIMITS, name, replace(LIMITS[name], count=3))
        make_person(login=GOOD["username"], password=PASSWORD)
        for n in range(3):
            spread = name == "login_failures_account"
            tried = WRONG if spread else WRONG | {"username": f"nobody{n}@example.ru"}
            Client(headers={"x-forwarded-for": f"10.0.0.{n if spread else 9}"}).post("/login/", tried)
        there = Client(headers={"x-forwarded-for": "10.0.0.9"})
        answer = there.post("/login/", GOOD)
        assert (answer.status_code, answer["Retry-After"]) == (429, "900")
        assert "Забыли пароль?" in answer.content.decode()

    def test_known_browser_is_not_throttled_by_others(self, monkeypatch, make_person):
        name = "login_failures_account"
        monkeypatch.setitem(LIMITS, name, replace(LIMITS[name], count=3))
        make_person(login=GOOD["username"], password=PASSWORD)
        own = Client()
        own.post("/login/", GOOD)
        own.post("/logout/")
        for _ in range(4):
            Client().post("/login/", WRONG)
        assert Client().post("/login/", GOOD).status_code == 429
        assert own.post("/login/", GOOD).status_code == 302
        own.post("/logout/")
        assert [own.post("/login/", WRONG).status_code for _ in range(11)][-1] == 429

    def test_throttled_logins_write_nothing(self, make_person):
        from axes.models import AccessAttempt

        for _ in range(30):
            Client().post("/login/", WRONG)
        assert AccessAttempt.objects.get().failures_since_start == 10

    def test_old_password_field_is_throttled(self, make_person):
        client = Client()
        client.force_login(make_person(password=PASSWORD))
        codes = [client.post("/account/password/", {"old_password": "x"}).status_code for _ in range(21)]
        assert codes[-2:] == [200, 429]


class TestFairQueue:
    def test_admits_round_robin_by_key(self):
        async def scenario():
            queue, order = FairQueue(1, 10, 100), []

            async def one(key):
                await queue.acquire(key)
                order.append(key)
                queue.release()

            await queue.acquire("first")
            tasks = [asyncio.create_task(one(key)) for key in ("flood",) * 5 + ("a", "b")]
            await asyncio.sleep(0)
            queue.release()
            await asyncio.gather(*tasks)
            return order

        assert asyncio.run(scenario())[:4] == ["flood", "a", "b", "flood"]

    def test_full_queue_refuses_and_makes_room(self):
        async def scenario():
            queue = FairQueue(1, 3, 4)
            await queue.acquire("first")
            flood = [asyncio.create_task(queue.acquire("flood")) for _ in range(4)]
            others = [asyncio.create_task(queue.acquire(key)) for key in ("a", "b")]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            refused = [task.done() and isinstance(task.exception(), QueueFull) for task in flood]
            waiting = [not task.done() for task in others]
            for task in (*flood, *others):
                task.cancel()
            return refused, waiting

        assert asyncio.run(scenario()) == ([False, False, True, True], [True, True])


@pytest.mark.parametrize("declared", [True, False])
def test_body_over_the_limit_is_413(monkeypatch, declared):
    monkeypatch.setattr(body_limit, "LARGEST_FORM", 10)
    monkeypatch.setattr(body_limit, "DRAIN_BYTES", 60)
    sent = []
    came = []

    async def inner(scope, receive, send):
        while (await receive())["more_body"]:
            pass

    async def receive():
        came.append(6)
        return {"type": "http.request", "body": b"x" * 6, "more_body": True}

    async def send(message):
        sent.append(message)

    headers = [(b"content-length", b"1000")] if declared else []
    scope = {"type": "http", "method": "POST", "path": "/login/", "headers": headers}
    asyncio.run(BodyLimitMiddleware(inner)(scope, receive, send))
    assert sent[0]["status"] == 413
    # The rest is read for the sake of proxies, but not without end.
    assert 60 < sum(came) < 90


@pytest.mark.django_db
def test_permissions_policy_denies_device_access():
    answer = Client().get("/login/")
    assert answer["Permissions-Policy"] == permissions_policy()
    assert 'fullscreen=(self "https://' in answer["Permissions-Policy"]
    assert "camera=()" in answer["Permissions-Policy"]
    assert answer["Cross-Origin-Resource-Policy"] == answer["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.django_db
def test_signup_with_a_taken_login_is_throttled(make_person):
    make_person(login="olga@example.ru")
    form = {"username": "olga@example.ru", "password": PASSWORD, "name": "Ольга", "consent": "on"}
    spread = [Client(REMOTE_ADDR=f"198.51.100.{n}").post("/signup/", form).status_code for n in range(22)]
    assert spread == [200] * 21 + [429]
    other = Client(REMOTE_ADDR="198.51.100.200").post("/signup/", form | {"username": "vera@example.ru"})
    assert other.status_code == 302
