"""Limits of logins, queues and bodies: what is counted, for whom, and that one client does not block another."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import ClassVar

import pytest
from django.test import Client

from efir.edge import address_throttle, body_limit
from efir.edge.address_throttle import AddressThrottle
from efir.edge.body_limit import BodyLimitMiddleware
from efir.edge.fair_queue import FairQueue, QueueFull
from efir.edge.password_queue import PasswordQueueMiddleware
from efir.web import client_ip
from efir.web.rate_limit import FAILED_LOGINS, LIMITS
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

    def test_login_is_limited_from_all_addresses(self, behind_a_proxy, monkeypatch, make_person):
        name = "login_failures_account"
        monkeypatch.setitem(LIMITS, name, replace(LIMITS[name], count=3))
        make_person(login=GOOD["username"], password=PASSWORD)
        for n in range(3):
            Client(headers={"x-forwarded-for": f"10.0.0.{n}"}).post("/login/", WRONG)
        there = Client(headers={"x-forwarded-for": "10.0.0.9"})
        answer = there.post("/login/", GOOD)
        assert (answer.status_code, answer["Retry-After"]) == (429, "900")
        assert "Забыли пароль?" in answer.content.decode()

    def test_address_is_never_locked_out(self, monkeypatch, make_person):
        name = "login_failures_address"
        monkeypatch.setitem(LIMITS, name, replace(LIMITS[name], count=5))
        make_person(login=GOOD["username"], password=PASSWORD)
        for number in range(8):
            Client().post("/login/", {"username": f"nobody{number}@example.ru", "password": "x"})
        assert [Client().post("/login/", GOOD).status_code for _ in range(3)] == [302] * 3

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

    def test_throttled_logins_write_nothing(self):
        from axes.models import AccessAttempt

        for _ in range(30):
            Client().post("/login/", WRONG)
        assert AccessAttempt.objects.get().failures_since_start == 10

    def test_old_password_field_is_throttled(self, make_person):
        client = Client()
        client.force_login(make_person(password=PASSWORD))
        codes = [client.post("/account/password/", {"old_password": "x"}).status_code for _ in range(21)]
        assert codes[-2:] == [200, 429]


class Hall:
    """The queue in front of logins that take no time, behind one address. What fails is in the path's query."""

    def __init__(self):
        self.at_once = self.most_at_once = 0
        self.middleware = PasswordQueueMiddleware(self.inner)

    async def inner(self, scope, receive, send):
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        if scope["query_string"] == b"wrong":
            scope[FAILED_LOGINS].append(True)
        self.at_once -= 1
        await send({"type": "http.response.start", "status": 302, "headers": []})

    async def log_in(self, outcome, client="192.0.2.1"):
        """Return the HTTP status."""
        scope = {"type": "http", "method": "POST", "path": "/login/", "headers": [], "client": (client, 1)}
        sent = []

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        await self.middleware(scope | {"query_string": outcome}, receive, send)
        return sent[0]["status"]

    async def guess(self, count):
        for _ in range(count):
            assert await self.log_in(b"wrong") == 302


class TestAddressThrottle:
    @pytest.fixture(autouse=True)
    def _short_pause(self, monkeypatch):
        monkeypatch.setattr(address_throttle, "PAUSE_S", 0.01)

    def test_right_passwords_pass_during_guesses(self):
        async def scenario():
            hall = Hall()
            await hall.guess(LIMITS["login_failures_address"].count + 5)  # some are forgiven meanwhile
            right = [hall.log_in(b"") for _ in range(300)]
            wrong = [hall.log_in(b"wrong") for _ in range(50)]
            return await asyncio.gather(*right, *wrong), hall.most_at_once

        statuses, most_at_once = asyncio.run(scenario())
        assert statuses == [302] * 350
        assert most_at_once == 1

    def test_hundreds_open_the_broadcast_at_once(self):
        async def scenario():
            hall = Hall()
            return await asyncio.gather(*[hall.log_in(b"") for _ in range(300)])

        assert asyncio.run(scenario()) == [302] * 300

    def test_guesses_are_slowed_down_and_other_addresses_are_not(self, monkeypatch):
        async def scenario():
            hall = Hall()
            await hall.guess(LIMITS["login_failures_address"].count + 5)  # some are forgiven meanwhile
            monkeypatch.setattr(address_throttle, "PAUSE_S", 3600)
            await hall.log_in(b"wrong")
            held = asyncio.ensure_future(hall.log_in(b"wrong"))
            elsewhere = [await hall.log_in(b"", "192.0.2.2") for _ in range(10)]
            assert not held.done()
            held.cancel()
            return elsewhere

        assert asyncio.run(scenario()) == [302] * 10

    def test_failures_are_forgiven_within_a_period(self):
        async def scenario():
            now = [0.0]
            throttle = AddressThrottle(10, 100, 5, lambda: now[0])
            throttle.count("a", 1000)
            slow = []
            for now[0] in (0, 90, 101, 200):
                slow.append(is_slow := await throttle.enter("a"))
                if is_slow:
                    throttle.leave("a", failed=False)
                    await asyncio.sleep(0.01)
            return slow

        assert asyncio.run(scenario()) == [True, True, False, False]


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
class TestSignUp:
    FORM: ClassVar = {"username": "olga@example.ru", "password": PASSWORD, "name": "Ольга", "consent": "on"}

    @pytest.mark.parametrize("spread", [False, True], ids=["one address", "one login from many addresses"])
    def test_only_the_answer_taken_is_withheld(self, make_person, spread):
        for number in range(22):
            make_person(login=f"olga{number}@example.ru")
        told = []
        for number in range(22):
            login = "olga0@example.ru" if spread else f"olga{number}@example.ru"
            client = Client(REMOTE_ADDR=f"198.51.100.{number if spread else 9}")
            answer = client.post("/signup/", self.FORM | {"username": login})
            assert answer.status_code == 200
            told.append("Аккаунт с таким логином уже есть" in answer.content.decode())
        assert told == [True] * 20 + [False] * 2
        page = answer.content.decode()
        assert "зарегистрироваться не получилось" in page
        assert 'href="/login/forgotten/"' in page
        there = Client(REMOTE_ADDR="198.51.100.9")
        assert there.post("/signup/", self.FORM | {"username": "vera@example.ru"}).status_code == 302

    def test_empty_and_invalid_forms_count_for_nothing(self, monkeypatch):
        monkeypatch.setitem(LIMITS, "sign_up", replace(LIMITS["sign_up"], count=2))
        for form in ({}, self.FORM | {"password": "1"}, self.FORM | {"consent": ""}):
            assert [Client().post("/signup/", form).status_code for _ in range(5)] == [200] * 5
        assert Client().post("/signup/", self.FORM).status_code == 302

    def test_created_accounts_are_limited(self, monkeypatch):
        monkeypatch.setitem(LIMITS, "sign_up", replace(LIMITS["sign_up"], count=2))
        forms = [self.FORM | {"username": f"vera{number}@example.ru"} for number in range(3)]
        assert [Client().post("/signup/", form).status_code for form in forms] == [302, 302, 429]
        assert Client(REMOTE_ADDR="198.51.100.9").post("/signup/", forms[2]).status_code == 302
