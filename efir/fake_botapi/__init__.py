"""A local stand-in of the Telegram Bot API, for the demo and the tests.

It answers over real HTTP in the official shapes, keeps what was sent, lets somebody play the people who
press Start, and can be told to answer with an error. It knows nothing of Django or of the rest of Efir. One
stand-in plays one bot, whichever of its tokens it is called with.
"""

from __future__ import annotations

from efir.fake_botapi.app import FakeBotApi
from efir.fake_botapi.errors import UnknownPersonError
from efir.fake_botapi.scripted_responses import ResponseKind, ScriptedResponse
from efir.fake_botapi.server import running, serve
from efir.fake_botapi.state import Call, Chat, Person, Sent

__all__ = [
    "Call",
    "Chat",
    "FakeBotApi",
    "Person",
    "ResponseKind",
    "ScriptedResponse",
    "Sent",
    "UnknownPersonError",
    "running",
    "serve",
]
