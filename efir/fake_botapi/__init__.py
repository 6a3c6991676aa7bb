"""A fake Telegram Bot API for the demo and the tests.

It serves real HTTP in the official shapes, records every call and every message sent, plays the people who
press Start or block the bot, and returns scripted errors on request. It implements only the methods and the
markup that Efir uses, and imports nothing of Django or of the rest of Efir. One instance plays one bot.
"""

from __future__ import annotations

from efir.fake_botapi.app import FakeBotApi, running
from efir.fake_botapi.scripted_responses import ResponseKind, ScriptedResponse
from efir.fake_botapi.state import Call, Chat, Person, Sent

__all__ = ["Call", "Chat", "FakeBotApi", "Person", "ResponseKind", "ScriptedResponse", "Sent", "running"]
