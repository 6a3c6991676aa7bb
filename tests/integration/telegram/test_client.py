"""The Bot API's failures, told apart over real HTTP."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from efir.fake_botapi import FakeBotApi, ResponseKind, running
from efir.telegram.bot.client import BotApi, BotApiError
from efir.telegram.bot.outcomes import Delivery, NotSent, OutcomeUnknown, classify_outcome
from tests.support.proxy import PASSWORD, proxying
from tests.support.telegram import TOKEN

CHAT = 501


@pytest.fixture
def fake_bot_api() -> FakeBotApi:
    fake_bot_api = FakeBotApi(tokens={TOKEN})
    fake_bot_api.people.add(CHAT, "Ева")
    return fake_bot_api


@pytest.fixture
def address(fake_bot_api) -> Iterator[str]:
    with running(fake_bot_api) as address:
        yield address


def call(address, work, token=TOKEN):
    async def scenario():
        api = BotApi(token, address)
        try:
            return await work(api)
        finally:
            await api.close()

    return asyncio.run(scenario())


def send(api):
    return api.send(CHAT, "Привет, <b>Ева</b>", [("Сайт", "https://efir.example.org/")])


# Each call that Efir makes.
CALLS = (
    send,
    lambda api: api.username(),
    lambda api: api.updates(None, 0),
    lambda api: api.delete_webhook(),
)


def failure(address, work=send, token=TOKEN) -> BotApiError:
    with pytest.raises(BotApiError) as raised:
        call(address, work, token)
    return raised.value


def test_a_message_arrives_with_its_markup_and_buttons(fake_bot_api, address):
    message_id = call(address, send)
    (sent,) = fake_bot_api.sent
    assert sent.message["message_id"] == message_id
    assert sent.message["text"] == "Привет, Ева"
    assert sent.message["entities"] == [{"type": "bold", "offset": 8, "length": 3}]
    assert sent.message["reply_markup"]["inline_keyboard"][0][0]["url"] == "https://efir.example.org/"


def test_a_reply_is_plain_text(fake_bot_api, address):
    call(address, lambda api: api.send(CHAT, "1 < 2 & 3", html=False))
    assert fake_bot_api.sent[0].message["text"] == "1 < 2 & 3"


def test_username(address):
    assert call(address, lambda api: api.username()) == "efir_demo_bot"


def test_updates_are_returned_unparsed(fake_bot_api, address):
    fake_bot_api.people.start(CHAT, "payload")
    (update,) = call(address, lambda api: api.updates(None, 5))
    assert update["message"]["text"] == "/start payload"
    assert call(address, lambda api: api.updates(update["update_id"] + 1, 0)) == []


@pytest.mark.parametrize(
    ("status", "parameters"), [(400, None), (403, None), (409, None), (429, {"retry_after": 3}), (500, None)]
)
def test_official_answer_keeps_its_description(fake_bot_api, address, status, parameters):
    fake_bot_api.respond_with(status, description="Bad Request: in their own words", parameters=parameters)
    error = failure(address)
    assert (error.delivery, error.status, error.error_code) == (Delivery.ANSWERED, status, status)
    assert error.description == "Bad Request: in their own words"
    assert error.parameters == (parameters or {})
    assert error.official


def test_proxy_page_is_not_an_official_answer(fake_bot_api, address):
    fake_bot_api.respond_with(kind=ResponseKind.HTML)
    error = failure(address)
    assert (error.delivery, error.status, error.official) == (Delivery.ANSWERED, 502, False)


@pytest.mark.parametrize("kind", [ResponseKind.CUT, ResponseKind.MALFORMED])
def test_unreadable_success_is_unknown(fake_bot_api, address, kind):
    fake_bot_api.respond_with(kind=kind, delivered=True)
    error = failure(address)
    assert error.delivery is Delivery.UNKNOWN or error.status == 200


@pytest.mark.parametrize(
    "rest",
    [
        {},
        {"date": 1795956000000, "chat": {"id": 1}, "from": {"id": 42, "first_name": "b"}},
        {"date": "soon", "chat": None, "from": 7, "entities": {}, "reply_markup": []},
    ],
)
def test_message_id_alone_means_delivered(fake_bot_api, address, rest):
    body = json.dumps({"ok": True, "result": {"message_id": 7} | rest})
    fake_bot_api.respond_with(kind=ResponseKind.RAW, body=body)
    assert call(address, send) == 7


@pytest.mark.parametrize("result", [True, [], None, {}, {"message_id": "7"}, {"message_id": 2**63}])
def test_success_without_message_id_is_unknown(fake_bot_api, address, result):
    fake_bot_api.respond_with(kind=ResponseKind.RAW, body=json.dumps({"ok": True, "result": result}))
    error = failure(address)
    assert (error.status, type(classify_outcome(error))) == (200, OutcomeUnknown)


@pytest.mark.slow
@pytest.mark.parametrize("body", ["[" * 100_000, '{"ok":true,"result":' + "9" * 5000 + "}", "\ufffd", "null"])
@pytest.mark.parametrize("status", [200, 400])
def test_any_body_ends_in_a_typed_failure(fake_bot_api, address, status, body):
    for work in CALLS:
        fake_bot_api.respond_with(status, kind=ResponseKind.RAW, body=body)
        error = failure(address, work)
        assert not error.official


@pytest.mark.parametrize("result", [7, "x", [], None])
def test_bot_of_another_shape_is_a_typed_failure(fake_bot_api, address, result):
    fake_bot_api.respond_with(kind=ResponseKind.RAW, body=json.dumps({"ok": True, "result": result}))
    failure(address, lambda api: api.username())


@pytest.mark.parametrize("result", [{"id": 42}, {"username": 7}])
def test_username_is_optional(fake_bot_api, address, result):
    fake_bot_api.respond_with(kind=ResponseKind.RAW, body=json.dumps({"ok": True, "result": result}))
    assert call(address, lambda api: api.username()) == ""


@pytest.mark.parametrize("result", [{}, 7, None, "x"])
def test_updates_of_another_shape_are_a_typed_failure(fake_bot_api, address, result):
    fake_bot_api.respond_with(kind=ResponseKind.RAW, body=json.dumps({"ok": True, "result": result}))
    failure(address, lambda api: api.updates(None, 0))


def test_failure_inside_the_library_is_typed(fake_bot_api, address, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("of a kind that nobody listed")

    monkeypatch.setattr("telegram.Bot._post", fail)
    for work in CALLS:
        assert failure(address, work).description == "RuntimeError"


def test_timeout_is_unknown(fake_bot_api, address, monkeypatch):
    monkeypatch.setattr("efir.telegram.bot.client.READ_S", 0.2)
    fake_bot_api.respond_with(kind=ResponseKind.HANG)
    error = failure(address)
    assert (error.delivery, error.description) == (Delivery.UNKNOWN, "ReadTimeout")


def test_refused_connection_is_not_sent():
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    error = failure(address)
    assert (error.delivery, error.description) == (Delivery.NOT_SENT, "ConnectError")


def test_unresolvable_name_is_not_sent():
    assert failure("http://bot-api.invalid").delivery is Delivery.NOT_SENT


def test_wrong_token_keeps_telegrams_description(address):
    error = failure(address, lambda api: api.username(), token="42:another-token")
    assert (error.status, error.description) == (401, "Unauthorized")


def test_token_is_in_no_log_and_no_exception(fake_bot_api, address, caplog):
    fake_bot_api.respond_with(kind=ResponseKind.MALFORMED)
    fake_bot_api.respond_with(500)
    errors = [failure(address), failure(address), failure("http://bot-api.invalid")]
    call(address, send)
    ours = [record for record in caplog.records if not record.name.startswith("uvicorn")]
    told = "".join(record.getMessage() for record in ours) + "".join(f"{each!r} {each}" for each in errors)
    assert TOKEN not in told
    assert TOKEN.partition(":")[2] not in told


@pytest.fixture
def through(settings):
    """Let the calls go through a proxy of this address."""

    def use(proxy: str) -> None:
        settings.EFIR = replace(settings.EFIR, telegram_proxy=proxy)

    return use


@pytest.mark.parametrize(
    ("scheme", "how"), [("http", "forward"), ("socks5", "socks5"), ("socks5h", "socks5")]
)
def test_every_call_goes_through_the_proxy(fake_bot_api, address, through, scheme, how):
    with proxying() as proxy:
        through(proxy.address(scheme))
        call(address, send)
        call(address, lambda api: api.updates(None, 0))
    assert proxy.through == [(how, address.removeprefix("http://"))] * 2
    assert [each.method for each in fake_bot_api.calls] == ["sendMessage", "getUpdates"]


def test_an_encrypted_call_goes_through_a_tunnel(through):
    with proxying() as proxy, socket.create_server(("127.0.0.1", 0)) as silent:
        target = f"127.0.0.1:{silent.getsockname()[1]}"
        hello: list[bytes] = []
        listener = threading.Thread(target=lambda: hello.append(_first_bytes(silent)))
        listener.start()
        through(proxy.address())
        error = failure(f"https://{target}")
        listener.join()
    assert proxy.through == [("tunnel", target)]
    assert hello[0][:1] == b"\x16"  # the beginning of TLS: the proxy sees no token
    assert error.delivery is Delivery.NOT_SENT


def _first_bytes(listening: socket.socket) -> bytes:
    connection, _ = listening.accept()
    with connection:
        return connection.recv(1000)


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_refusal_of_the_proxy_is_not_sent(fake_bot_api, address, through, scheme, caplog):
    with proxying() as proxy:
        through(proxy.address(scheme, password="not-this-proxys-password"))
        errors = [failure(address), failure("https://bot-api.invalid")]
    assert fake_bot_api.calls == []
    assert proxy.refused == 2
    assert [type(classify_outcome(error)) for error in errors] == [NotSent, NotSent]
    told = caplog.text + "".join(f"{each!r} {each}" for each in errors)
    assert "not-this-proxys-password" not in told


def test_unreachable_proxy_is_not_sent(through, caplog):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for scheme in ("http", "https", "socks5"):
        through(f"{scheme}://efir:{PASSWORD}@127.0.0.1:{port}")
        error = failure("https://bot-api.invalid")
        assert (error.delivery, error.description) == (Delivery.NOT_SENT, "ConnectError")
    assert PASSWORD not in caplog.text
