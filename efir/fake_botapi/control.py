"""The control endpoints: playing the people and reading what happened, over HTTP.

Each answers `{"ok": true, "result": ...}`, or `{"ok": false, "description": ...}` with 400, 403 or 404.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from efir.fake_botapi.asgi import Reply, Request
from efir.fake_botapi.errors import Json
from efir.fake_botapi.people import People
from efir.fake_botapi.scripted_responses import ResponseQueue, ScriptedResponse
from efir.fake_botapi.state import Chat, State

Action = Callable[[Json], Any]
PERSON_FIELDS = {"id": int, "first_name": str, "username": str, "language_code": str, "chat": bool}
RULE_FIELDS = {
    "method": str,
    "chat_id": int,
    "times": int,
    "kind": str,
    "status": int,
    "description": str,
    "parameters": dict,
    "delivered": bool,
    "official": str,
}


def person_json(state: State, person_id: int) -> Json:
    """A person with their chat: `chat` is null before Start; its messages are official Message objects."""
    chat = state.chats.get(person_id)
    return {
        "person": state.people[person_id].user(),
        "chat": chat_json(state, person_id, chat) if chat else None,
    }


def chat_json(state: State, chat_id: int, chat: Chat) -> Json:
    return {"chat": state.chat(chat_id), "blocked": chat.blocked, "messages": list(chat.messages)}


class Control:
    """Finds the action for a path below `/control/` and carries it out."""

    def __init__(self, state: State, people: People, answers: ResponseQueue) -> None:
        self._state = state
        self._people = people
        self._answers = answers
        self._actions: dict[tuple[str, str], Action] = {
            ("GET", "users"): lambda _: [person_json(state, person_id) for person_id in state.people],
            ("POST", "users"): self._add,
            ("GET", "chats"): lambda _: [chat_json(state, *item) for item in state.chats.items()],
            ("GET", "sent"): lambda _: [asdict(sent) for sent in state.sent],
            ("GET", "calls"): lambda _: [asdict(call) for call in state.calls],
            ("GET", "answers"): lambda _: answers.listed(),
            ("POST", "answers"): lambda params: answers.add(ScriptedResponse(**_typed(params, RULE_FIELDS))),
            ("DELETE", "answers"): lambda _: answers.clear(),
        }

    def reply(self, request: Request, path: str) -> Reply:
        # A page of another site must not play people in the demo; browsers say where a request comes from.
        if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            return _refusal(403, "control is not for other sites")
        try:
            return self._carried_out(request, path)
        except LookupError as exc:
            return _refusal(404, str(exc.args[0]) if exc.args else "not found")
        except (TypeError, ValueError) as exc:
            return _refusal(400, str(exc))

    def _carried_out(self, request: Request, path: str) -> Reply:
        with self._state.lock:
            action = self._action(request.verb, path.strip("/").split("/"))
            if action is None:
                return _refusal(404, "no such endpoint")
            return _result(action(request.params))

    def _action(self, verb: str, path: list[str]) -> Action | None:
        match path:
            case ["users", person_id]:
                return self._person_action(verb, "", int(person_id))
            case ["users", person_id, act]:
                return self._person_action(verb, act, int(person_id))
            case _:
                return self._actions.get((verb, "/".join(path)))

    def _person_action(self, verb: str, act: str, person_id: int) -> Action | None:
        people = self._people
        acts: dict[tuple[str, str], Action] = {
            ("GET", ""): lambda _: None,
            ("POST", "start"): lambda params: people.start(person_id, str(params.get("payload") or "")),
            ("POST", "text"): lambda params: people.say(person_id, _text(params, "text")),
            ("POST", "press"): lambda params: people.press(
                person_id, int(params.get("message_id", 0)), _text(params, "data")
            ),
            ("POST", "block"): lambda _: people.block(person_id),
            ("POST", "unblock"): lambda _: people.unblock(person_id),
            ("POST", "upgrade"): lambda params: people.upgrade(person_id, int(params.get("to", 0))),
        }
        action = acts.get((verb, act))
        return None if action is None else lambda params: self._afterwards(action, params, person_id)

    def _afterwards(self, action: Action, params: Json, person_id: int) -> Json:
        self._state.person(person_id)
        action(params)
        return person_json(self._state, person_id)

    def _add(self, params: Json) -> Json:
        fields = _typed(params, PERSON_FIELDS)
        person = self._people.add(fields.pop("id", 0), _text(fields, "first_name"), **fields)
        return person_json(self._state, person.id)


def _typed(params: Json, types: dict[str, type]) -> Json:
    for name, value in params.items():
        if name not in types:
            raise ValueError(f"unknown field {name}; known: {', '.join(types)}")
        if value is not None and not isinstance(value, types[name]):
            raise ValueError(f"{name} must be {types[name].__name__} or null")
    return dict(params)


def _text(params: Json, name: str) -> str:
    value = params.pop(name, None)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be a text that is not empty")
    return value


def _result(result: object) -> Reply:
    return Reply.of_json(200, {"ok": True, "result": result})


def _refusal(status: int, description: str) -> Reply:
    return Reply.of_json(status, {"ok": False, "description": description})
