"""The demo's pages: the chats of the fake Telegram, a player, a recording."""

from __future__ import annotations

from typing import Any

from csp.constants import SELF
from csp.decorators import csp_replace
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import translation
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_POST, require_safe

from efir.accounts.capabilities import Capability, capability_required
from efir.accounts.models import Person
from efir.accounts.sessions import current_person, new_session
from efir.broadcast.ingest import BroadcastRefused
from efir.demo import test_picture
from efir.demo.seed import FIRST_CHAT_ID
from efir.demo.site import fake_botapi
from efir.lib.concurrency import in_thread
from efir.telegram.link_tokens import make_link
from efir.webinars.lifecycle import Status, Video
from efir.webinars.models import Webinar

# The chat ids of people whom a visitor plays are far from those of the seeded ones.
FIRST_PLAYED_CHAT_ID = FIRST_CHAT_ID + 100_000


@require_safe
async def chats(request: HttpRequest) -> HttpResponse:
    """Show every chat with the messages of the bot and of its person."""
    botapi = fake_botapi()
    # The fake Bot API lives in the event loop: its state is read here, not in the thread.
    chats = []
    if botapi:
        people = botapi.state.people
        chats = [
            {
                "id": chat_id,
                "name": people[chat_id].first_name,
                "blocked": chat.blocked,
                "messages": chat.messages,
            }
            for chat_id, chat in sorted(botapi.chats.items())
        ]
    context = {"chats": chats, "local": botapi is not None, "payload": request.GET.get("start", "")[:64]}
    return await in_thread(_render_chats, request, context)


def _render_chats(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    unlinked = Person.objects.filter(telegramchat=None).order_by("pk")[:50]
    with translation.override(request.LANGUAGE_CODE):  # a pool's thread does not have the request's language
        return render(request, "demo/telegram.html", context | {"unlinked": unlinked})


@require_POST
async def press_start(request: HttpRequest, person_id: int) -> HttpResponse:
    """Play this person: open their one-time link in Telegram and press Start."""
    botapi = fake_botapi()
    if botapi is None:
        raise BadRequest("the demo's messages go elsewhere")
    person = await in_thread(Person.objects.get, pk=person_id)
    # The page of a link has its payload; for a person from the list a new link is made.
    payload = request.POST.get("payload", "") or await in_thread(_new_payload, person)
    chat_id = FIRST_PLAYED_CHAT_ID + person.pk
    botapi.people.add(chat_id, person.name, person.login)
    try:
        botapi.people.start(chat_id, payload)
    except ValueError as exc:
        raise BadRequest("not a payload of a link") from exc
    return redirect(f"{reverse('demo-telegram')}#chat-{chat_id}")


def _new_payload(person: Person) -> str:
    session = new_session(person)
    session.create()
    return make_link(person, session.session_key or "").partition("start=")[2]


@require_POST
async def press_button(request: HttpRequest, chat_id: int) -> HttpResponse:
    """Play a person who presses a button that answers the bot."""
    botapi = fake_botapi()
    if botapi is None or chat_id not in botapi.chats:
        raise BadRequest("no such chat")
    try:
        botapi.people.press(chat_id, request.POST.get("label", ""))
    except KeyError as exc:
        raise BadRequest("no such button") from exc
    return redirect(f"{reverse('demo-telegram')}#chat-{chat_id}")


@require_POST
async def toggle_block(request: HttpRequest, chat_id: int) -> HttpResponse:
    """Play a person who blocks or unblocks the bot."""
    botapi = fake_botapi()
    if botapi is None or chat_id not in botapi.chats:
        raise BadRequest("no such chat")
    (botapi.people.unblock if botapi.chats[chat_id].blocked else botapi.people.block)(chat_id)
    return redirect("demo-telegram")


@require_safe
@xframe_options_sameorigin
@csp_replace({"frame-ancestors": [SELF]})
def player(request: HttpRequest) -> HttpResponse:
    """Show a moving picture, so that the demo's room needs no network."""
    return render(request, "demo/player.html")


@never_cache
@require_safe
@capability_required(Capability.BROADCAST)
def pictures(request: HttpRequest) -> HttpResponse:
    """Offer the test picture for every webinar with its own broadcast that is not over."""
    webinars = Webinar.objects.filter(video=Video.OWN, finished_at=None).exclude(status=Status.DRAFT)
    shown = [(each, test_picture.is_running(each.pk)) for each in webinars.order_by("starts_at")]
    return render(request, "demo/pictures.html", {"webinars": shown})


@require_POST
@capability_required(Capability.BROADCAST)
def switch_picture(request: HttpRequest, webinar_id: int) -> HttpResponse:
    """Send the test picture to a webinar, or stop it."""
    webinar = get_object_or_404(Webinar, pk=webinar_id)
    try:
        if test_picture.is_running(webinar.pk):
            test_picture.stop(webinar.pk)
        else:
            test_picture.start(webinar.pk, current_person(request))
    except BroadcastRefused as refused:
        raise BadRequest(refused.code) from refused
    return redirect("demo-pictures")


@require_safe
def recording(request: HttpRequest) -> HttpResponse:
    """Show the page of the demo's recording."""
    return render(request, "demo/recording.html")
