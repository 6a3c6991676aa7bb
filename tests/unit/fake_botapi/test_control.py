"""The control endpoints: playing people over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from efir.fake_botapi import FakeBotApi, running

TOKEN = "42:demo"


@pytest.fixture(scope="module")
def refusing() -> Iterator[httpx.Client]:
    """A client of a stand-in shared by the tests that change nothing in it."""
    fake_bot_api = FakeBotApi()
    fake_bot_api.people.add(7, "Anna")
    with running(fake_bot_api) as address, httpx.Client(base_url=address) as client:
        yield client
    assert list(fake_bot_api.state.people) == [7]


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    fake_bot_api = FakeBotApi(prefix="/telegram", clock=lambda: 1_800_000_000.5)
    with running(fake_bot_api) as address, httpx.Client(base_url=address) as client:
        yield client


def control(client: httpx.Client, path: str, **params: Any) -> Any:
    answer = client.post(f"/control/{path}", json=params)
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]


def bot(client: httpx.Client, method: str, **params: Any) -> httpx.Response:
    return client.post(f"/bot{TOKEN}/{method}", json=params)


def test_a_person_lives_through_the_whole_story(client: httpx.Client) -> None:
    person = control(
        client, "users", id=7, first_name="Anna", username="anna", language_code="de", chat=False
    )
    assert person["chat"] is None
    assert bot(client, "sendMessage", chat_id=7, text="hi").status_code == 400
    assert control(client, "users/7/start", payload="abc")["chat"]["messages"][0]["text"] == "/start abc"
    assert bot(client, "sendMessage", chat_id=7, text="hi").status_code == 200
    control(client, "users/7/text", text="hello /help")
    assert control(client, "users/7/block")["chat"]["blocked"] is True
    assert bot(client, "sendMessage", chat_id=7, text="hi").status_code == 403
    assert control(client, "users/7/unblock")["chat"]["blocked"] is False
    messages = client.get("/control/chats").json()["result"][0]["messages"]
    assert [message["text"] for message in messages] == ["/start abc", "hi", "hello /help"]
    assert [message["from"]["is_bot"] for message in messages] == [False, True, False]
    assert [message["message_id"] for message in messages] == [1, 2, 3]


def test_what_was_sent_is_listed_in_order(client: httpx.Client) -> None:
    control(client, "users", id=7, first_name="Anna")
    for text in ("<i>one</i>", "two"):
        bot(client, "sendMessage", chat_id=7, text=text, parse_mode="HTML")
    sent = client.get("/control/sent").json()["result"]
    assert [entry["message"]["text"] for entry in sent] == ["one", "two"]
    assert sent[0]["params"] == {"chat_id": 7, "text": "<i>one</i>", "parse_mode": "HTML"}
    assert sent[0]["received_at"] == 1_800_000_000.5


def test_a_button_is_pressed(client: httpx.Client) -> None:
    control(client, "users", id=7, first_name="Anna")
    bot(client, "sendMessage", chat_id=7, text="pick")
    control(client, "users/7/press", message_id=1, data="yes")
    query = bot(client, "getUpdates").json()["result"][0]["callback_query"]
    assert (query["data"], query["message"]["text"]) == ("yes", "pick")
    assert client.post("/control/users/7/press", json={"message_id": 9, "data": "x"}).status_code == 404


@pytest.mark.parametrize(
    ("path", "params", "status"),
    [
        ("users/9/start", {}, 404),
        ("users/x/start", {}, 400),
        ("users/7/fly", {}, 404),
        ("pigeons", {}, 404),
        ("users/7/text", {}, 400),
        ("users/7/start", {"payload": "a b"}, 400),
        ("users", {"id": 0, "first_name": "x"}, 400),
        ("users", {"id": "8", "first_name": "x"}, 400),
        ("users", {"id": 8}, 400),
        ("users", {"id": 8, "first_name": "x", "surname": "y"}, 400),
    ],
)
def test_nonsense_is_refused_with_a_reason(
    refusing: httpx.Client, path: str, params: Any, status: int
) -> None:
    answer = refusing.post(f"/control/{path}", json=params)
    assert answer.status_code == status
    assert answer.json()["ok"] is False
    assert answer.json()["description"]


def test_a_page_of_another_site_cannot_play_people(client: httpx.Client) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert (
        client.post("/control/users", json={"id": 7, "first_name": "A"}, headers=headers).status_code == 403
    )
    assert client.get("/control/users", headers={"Sec-Fetch-Site": "same-origin"}).json()["result"] == []


def test_outside_of_its_prefix_there_is_nothing(client: httpx.Client) -> None:
    outside = str(client.base_url).removesuffix("/telegram/")
    assert httpx.get(f"{outside}/bot{TOKEN}/getMe").status_code == 404
    assert httpx.get(f"{outside}/control/users").status_code == 404
