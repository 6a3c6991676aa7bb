"""Input that no browser sends: strange encodings, NUL, letters that become longer in lower case."""

from __future__ import annotations

import asyncio

import pytest
from django.test import Client

from efir.accounts.capabilities import Role
from efir.accounts.forms import SignUpForm
from efir.accounts.models import LOGIN_MAX_LENGTH, Person, normalize_login
from efir.accounts.services import create_person
from efir.edge.body_limit import BodyLimitMiddleware

pytestmark = pytest.mark.django_db

# Each becomes two characters in lower case.
GROWING = "İ" * 200


def status_of(content_type: str) -> int:
    """Return the status of a POST with this content type, sent after its body; 200 comes from the application."""
    statuses, body = [], [{"body": b"a=1&", "more_body": True}, {"body": b"b=2"}]

    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive():
        return {"type": "http.request", **body.pop(0)}

    async def send(message):
        assert not body or message.get("status") == 200  # a proxy would say 502
        statuses.append(message.get("status"))

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/login/",
        "headers": [(b"content-type", content_type.encode("latin-1"))],
    }
    asyncio.run(BodyLimitMiddleware(application)(scope, receive, send))
    return statuses[0]


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("multipart/form-data; boundary=x", 200),
        ("application/x-www-form-urlencoded", 200),
        ("application/x-www-form-urlencoded; charset=UTF-8", 200),
        ('multipart/form-data; boundary=x; charset="utf-8"', 200),
        ("multipart/form-data; boundary=x; charset=hex", 400),
        ("multipart/form-data; Charset = 'idna'; boundary=x", 400),
        ("application/x-www-form-urlencoded;charset*=utf-8''rot13", 400),
        ("application/x-www-form-urlencoded; charset=undefined", 400),
        ("application/x-www-form-urlencoded; charset=", 400),
    ],
)
def test_form_not_in_utf_8_is_refused(content_type, status):
    assert status_of(content_type) == status


@pytest.mark.parametrize("page", ["/login/", "/signup/", "/login/forgotten/"])
@pytest.mark.parametrize("typed", ["a\x00b", GROWING, f"{GROWING[:190]}@example.org"])
def test_strange_login_breaks_no_page(page, typed):
    form = {"username": typed, "password": "vecherniy-efir", "name": "Анна", "consent": "on"}
    assert Client().post(page, form).status_code == 200
    assert not Person.objects.exists()


@pytest.mark.parametrize(
    ("typed", "normalised"),
    [
        ("8 (922) 123-45-67", "+79221234567"),
        ("922 123 45 67", "+79221234567"),
        ("８９２２１２３４５６７", "+79221234567"),
        ("7 922 123 45 67", "+79221234567"),
        ("+49 151 23456789", "+4915123456789"),
        ("380501234567", "+380501234567"),
        ("8 (922) 123-45-6", None),
        ("+7 (922) 123-45-7", None),
        ("+7922123457", None),
        ("8 922 123 45 67 89", None),
        ("7 922 123 45 67 8", None),
        ("922 123 45 6", None),
        ("٩٢٢١٢٣٤٥٦٧", None),
    ],
)
def test_phone_number_must_have_all_digits(typed, normalised):
    form = SignUpForm({"name": "Анна", "username": typed, "password": "vecherniy-efir", "consent": "on"})
    assert form.is_valid() == bool(normalised)
    if normalised:
        assert form.cleaned_data["username"] == normalised
    else:
        assert form.errors["username"]


def test_login_longer_than_its_column_is_refused():
    assert len(normalize_login(GROWING)) > LOGIN_MAX_LENGTH
    with pytest.raises(ValueError, match="the limit is 254"):
        create_person(login=GROWING, name="x", role=Role.CANDIDATE, password=None)


@pytest.mark.parametrize(
    "address",
    [
        "/signup/?ref=a%00b&webinar=1%00&next=%00",
        "/login/?next=%00",
        "/webinars/?page=%00&candidate=%00&person=%00",
        "/posters/a%00/b%00",
        "/account/reset/MQ/b%00/",
        "/account/?candidate=%00&page=%00",
        "/account/people/?q=a%00b&page=%00",
        "/account/audit/?person=a%00b&webinar=%00&action=%00&page=%00",
        "/admin_webinar/?page=%00",
    ],
)
def test_nul_in_address_breaks_no_page(address, make_person):
    client = Client()
    assert client.get(address).status_code < 500
    client.force_login(make_person(Role.ADMIN))
    assert client.get(address).status_code < 500


@pytest.mark.parametrize("kept", ["sessionid", "efir_ref", "efir_known", "csrftoken", "django_language"])
def test_nul_in_cookie_breaks_no_page(kept):
    """A quoted cookie may have any character as an octal escape."""
    client = Client(HTTP_COOKIE=f'{kept}="{"a" * 31}\\000"')
    assert client.get("/account/").status_code == 302
    assert client.get("/signup/").status_code == 200
    assert client.post("/login/", {"username": "anna", "password": "b"}).status_code == 200
