"""The store keeps the chats for the next run."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from efir.fake_botapi import FakeBotApi, Person
from efir.fake_botapi.methods import Methods


def invoke(fake_bot_api: FakeBotApi, method: str, **params: Any) -> Any:
    return asyncio.run(Methods(fake_bot_api.state).call(method, params, received_at=5.0))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "chats.jsonl"


@pytest.fixture
def first(path: Path) -> FakeBotApi:
    fake_bot_api = FakeBotApi(store=path)
    fake_bot_api.people.add(7, "Anna")
    fake_bot_api.people.start(7, "token")
    invoke(fake_bot_api, "sendMessage", chat_id=7, text="привет")
    fake_bot_api.people.say(7, "hi")
    fake_bot_api.people.block(7)
    return fake_bot_api


def test_next_run_has_everything_but_the_calls(first: FakeBotApi, path: Path) -> None:
    second = FakeBotApi(store=path)
    assert second.state.people == {7: Person(7, "Anna", language_code="ru")}
    assert second.chats == first.chats
    assert second.chats[7].blocked
    assert second.sent == first.sent
    assert second.state.pending == first.state.pending
    assert second.state.last_update_id == first.state.last_update_id


def test_confirmed_updates_stay_confirmed(first: FakeBotApi, path: Path) -> None:
    last = first.state.last_update_id
    invoke(first, "getUpdates", offset=last)
    assert [update["update_id"] for update in FakeBotApi(store=path).state.pending] == [last]


def test_ids_continue(first: FakeBotApi, path: Path) -> None:
    second = FakeBotApi(store=path, clock=lambda: 0)
    second.people.start(7)
    assert second.state.pending[-1]["update_id"] == first.state.last_update_id + 2
    assert second.chats[7].messages[-1]["message_id"] == len(first.chats[7].messages) + 1


def test_adding_the_same_person_again_writes_nothing(first: FakeBotApi, path: Path) -> None:
    before = path.read_bytes()
    FakeBotApi(store=path).people.add(7, "Anna")
    assert path.read_bytes() == before
    FakeBotApi(store=path).people.add(7, "Anna Maria")
    assert FakeBotApi(store=path).chats[7].messages == first.chats[7].messages


@pytest.mark.usefixtures("first")
def test_line_cut_short_by_a_crash_is_dropped(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"event": "upd')
    FakeBotApi(store=path).people.unblock(7)
    lines = path.read_bytes().removeprefix(whole).splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["update"]


def test_broken_line_is_named_in_the_error(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"event": "confirmed", "before": 1}\nnonsense\n')
    with pytest.raises(ValueError, match="line 2"):
        FakeBotApi(store=path)


@pytest.mark.usefixtures("first")
def test_file_is_private(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
