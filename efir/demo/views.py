"""The demo's own pages: the chats as they fill, a player, a recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from csp.constants import SELF
from csp.decorators import csp_replace
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import translation
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_POST, require_safe

from efir.accounts.models import Person
from efir.demo.seed import FIRST_CHAT_ID
from efir.demo.site import fake_bot_api
from efir.fake_botapi import FakeBotApi
from efir.lib.concurrency import in_thread
from efir.telegram.link_tokens import make_link

# People whom the page plays get chat ids of their own, far from the seeded ones.
PLAYED_FROM = FIRST_CHAT_ID + 100_000


@dataclass(frozen=True)
class Shown:
    """One chat, as the page shows it."""

    id: int
    name: str
    blocked: bool
    messages: list[dict[str, Any]]


@require_safe
async def chats(request: HttpRequest) -> HttpResponse:
    """Every chat with what the bot wrote and what its person wrote."""
    bot_api = fake_bot_api()
    context = {
        "chats": _shown(bot_api) if bot_api else [],
        "local": bot_api is not None,
        "payload": request.GET.get("start", "")[:64],
    }
    return await in_thread(_page, request, context)


def _shown(bot_api: FakeBotApi) -> list[Shown]:
    people = bot_api.state.people
    shown = [
        Shown(chat_id, people[chat_id].first_name, chat.blocked, chat.messages)
        for chat_id, chat in bot_api.chats.items()
    ]
    return sorted(shown, key=lambda chat: chat.id)


def _page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    unlinked = Person.objects.filter(telegramchat=None).order_by("pk")[:50]
    # This thread does not know of the language that was chosen for the request.
    with translation.override(request.LANGUAGE_CODE):
        return render(request, "demo/telegram.html", context | {"unlinked": unlinked})


@require_POST
async def press_start(request: HttpRequest, person_id: int) -> HttpResponse:
    """Play this person: open their one-time link in Telegram and press Start."""
    bot_api = fake_bot_api()
    if bot_api is None:
        raise BadRequest("the demo's messages go elsewhere")
    person = await in_thread(Person.objects.get, pk=person_id)
    # The page of the link itself brings its payload; from the list, a fresh link is made for the person.
    payload = request.POST.get("payload") or (await in_thread(make_link, person)).partition("start=")[2]
    chat_id = PLAYED_FROM + person.pk
    bot_api.people.add(chat_id, person.name, person.login)
    try:
        bot_api.people.start(chat_id, payload)
    except ValueError as exc:
        raise BadRequest("not a payload of a link") from exc
    return redirect(f"{reverse('demo-telegram')}#chat-{chat_id}")


@require_POST
async def toggle_block(request: HttpRequest, chat_id: int) -> HttpResponse:
    """Play a person who blocks the bot, or lets it in again."""
    bot_api = fake_bot_api()
    if bot_api is None or chat_id not in bot_api.chats:
        raise BadRequest("no such chat")
    (bot_api.people.unblock if bot_api.chats[chat_id].blocked else bot_api.people.block)(chat_id)
    return redirect("demo-telegram")


@require_safe
@xframe_options_sameorigin
@csp_replace({"frame-ancestors": [SELF]})
def player(request: HttpRequest) -> HttpResponse:
    """Something that moves, so that the demo's room plays without the network."""
    return render(request, "demo/player.html")


@require_safe
def recording(request: HttpRequest) -> HttpResponse:
    """Where the demo's recording would be."""
    return render(request, "demo/recording.html")
