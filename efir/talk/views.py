"""Write and read messages of a room, and moderate them."""

from __future__ import annotations

from contextlib import nullcontext
from math import ceil
from uuid import UUID, uuid4

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from efir.accounts.capabilities import Capability, can, capability_required, require
from efir.accounts.sessions import current_person, request_context
from efir.hooks.actions import ActionRefused, Code
from efir.lib import ids, metrics
from efir.lib.text import clean_text
from efir.room.views import visible_or_404
from efir.talk.encoding import Audience, as_json
from efir.talk.models import MAX_LENGTH, Kind
from efir.talk.moderation import ACTIONS, moderate, mute
from efir.talk.queue import last_change, queue_of
from efir.talk.rate_limiter import Place, reserved
from efir.talk.selectors import page_of_messages
from efir.talk.writing import TooFast, write_message
from efir.web.shortcuts import html_405, prefers_html, redirect_with_message, refused_json
from efir.webinars.endpoint import ActionResult, BadRequest, action_endpoint, parse_bool
from efir.webinars.labels import refusal_message

# The room takes new messages with the next second.
BUSY_RETRY_AFTER_S = 1


@never_cache
@html_405
@require_http_methods(["GET", "HEAD", "POST"])
def messages(request: HttpRequest, webinar_id: int) -> HttpResponse:
    """Answer with a page of messages, or store one: 201, or 200 if this `client_id` is stored already."""
    if not request.user.is_authenticated:
        if request.method == "POST" and prefers_html(request):
            return redirect_to_login(_room_path(webinar_id))
        return JsonResponse({"error": "login_required"}, status=401)
    return _write(request, webinar_id) if request.method == "POST" else _read(request, webinar_id)


def _read(request: HttpRequest, webinar_id: int) -> HttpResponse:
    person = current_person(request)
    if not can(person, Capability.ENTER_ROOM):
        return JsonResponse({"error": Code.FORBIDDEN}, status=403)
    try:
        webinar = visible_or_404(person, webinar_id)
    except Http404:
        return JsonResponse({"error": Code.NOT_FOUND}, status=404)
    after = request.GET.get("after")
    if after is not None and after != "0" and ids.parse(after) is None:
        return JsonResponse({"error": "invalid_after"}, status=400)
    return JsonResponse(page_of_messages(webinar, person, None if after is None else int(after)), safe=False)


def _write(request: HttpRequest, webinar_id: int) -> HttpResponse:
    """Store the message of a form or of the page's script; a browser without script goes back to the room."""
    try:
        text, kind, client_id = _parse(request)
        person = current_person(request)
        moderates = can(person, Capability.MODERATE_TALK)
        with nullcontext(Place()) if moderates else reserved(webinar_id, person.pk) as place:
            message, is_new = write_message(webinar_id, person, text, kind, client_id)
            place.counts = is_new and not message.muted
    except BadRequest as bad:
        if prefers_html(request):
            return _refused_page(request, webinar_id, bad.message, 400)
        return JsonResponse({"error": bad.code, "detail": bad.message}, status=400)
    except ActionRefused as refused:
        return _answer_refusal(request, webinar_id, refused)
    if is_new:
        metrics.TALK_MESSAGES.labels(kind).inc()
    if prefers_html(request):
        return redirect_with_message(request, _own_talk_path(webinar_id), _("Отправлено."))
    return JsonResponse(as_json(message, Audience.AUTHOR), status=201 if is_new else 200)


def _parse(request: HttpRequest) -> tuple[str, Kind, UUID]:
    text = clean_text(request.POST.get("text", ""))
    if not text:
        raise BadRequest("invalid_text", _("Напишите текст: пустое сообщение не отправляется."))
    if len(text) > MAX_LENGTH:
        raise BadRequest(
            "invalid_text",
            _("Сократите текст: в сообщении не больше %(most)s знаков.") % {"most": MAX_LENGTH},
        )
    kind = request.POST.get("kind", "")
    if kind not in Kind.values:
        raise BadRequest("invalid_kind", _("Укажите, что это: message или question."))
    sent = request.POST.get("client_id", "")
    try:
        # A form without script has none: its page is the same for many people.
        client_id = uuid4() if not sent and prefers_html(request) else UUID(sent)
    except ValueError:
        raise BadRequest(
            "invalid_client_id", _("Укажите client_id: UUID, свой для каждого сообщения.")
        ) from None
    return text, Kind(kind), client_id


def _answer_refusal(request: HttpRequest, webinar_id: int, refused: ActionRefused) -> HttpResponse:
    metrics.TALK_REFUSED.labels(refused.code).inc()
    sentence, retry_after_s = refusal_message(refused.code), BUSY_RETRY_AFTER_S
    if isinstance(refused, TooFast):
        retry_after_s = ceil(refused.wait.total_seconds())
        sentence = ngettext(
            "Вы пишете слишком часто. Отправьте снова через %(count)s секунду.",
            "Вы пишете слишком часто. Отправьте снова через %(count)s секунды.",
            retry_after_s,
        ) % {"count": retry_after_s}
    answer: HttpResponse = refused_json(ActionRefused(refused.code, sentence))
    if prefers_html(request):
        if refused.code is Code.NOT_FOUND:
            raise Http404
        if refused.code is Code.FORBIDDEN:
            raise PermissionDenied
        answer = _refused_page(request, webinar_id, sentence, answer.status_code)
    if answer.status_code == 429:
        answer["Retry-After"] = str(retry_after_s)
    return answer


def _refused_page(request: HttpRequest, webinar_id: int, refusal: str, status: int) -> HttpResponse:
    """Show the refused text in a form again: without the room's script nothing else keeps it."""
    person = current_person(request)
    require(person, Capability.ENTER_ROOM)
    context = {
        "webinar": visible_or_404(person, webinar_id),
        "room": _own_talk_path(webinar_id),
        "text": clean_text(request.POST.get("text", "")),
        "max_length": MAX_LENGTH,
        "refusal": refusal,
    }
    return render(request, "talk/refused.html", context, status=status)


def _room_path(webinar_id: int) -> str:
    return f"/account/webinar_room/{webinar_id}/"


def _own_talk_path(webinar_id: int) -> str:
    """Return the path of the room for writing without script: with one's own messages, and not reloaded by itself."""
    return f"{_room_path(webinar_id)}?mine=1#talk"


@never_cache
@require_safe
@capability_required(Capability.MODERATE_TALK)
def queue(request: HttpRequest, webinar_id: int) -> HttpResponse:
    """Return the speaker's queue as a part of a page; 204 if `known` is its last change."""
    webinar = visible_or_404(current_person(request), webinar_id)
    query = request.GET.copy()
    known = query.pop("known", [""])[-1]
    if known == str(last_change(webinar)):
        return HttpResponse(status=204)
    return render(request, "talk/_queue.html", {"webinar": webinar, "queue": queue_of(webinar, query)})


@action_endpoint(Capability.MODERATE_TALK)
def moderate_message(request: HttpRequest, webinar_id: int, number: int) -> ActionResult:
    """Hide, show, pin, unpin or answer one message."""
    action = request.POST.get("action", "")
    if action not in ACTIONS:
        raise BadRequest(
            "invalid_action", _("Укажите, что сделать: %(actions)s.") % {"actions": ", ".join(ACTIONS)}
        )
    message = moderate(webinar_id, number, action, request_context(request))
    return ActionResult(_("Готово."), as_json(message, Audience.MODERATING) or {}, suffix="#talk-queue")


@action_endpoint(Capability.MODERATE_TALK)
def mute_person(request: HttpRequest, webinar_id: int) -> ActionResult:
    """Hide everything that a person writes in this room from all others, or show it again."""
    person_id = ids.parse(request.POST.get("person", ""))
    if person_id is None:
        raise BadRequest("invalid_person", _("Укажите, чьи сообщения: номер человека."))
    on = parse_bool(request, "on")
    mute(webinar_id, person_id, on, request_context(request))
    message = (
        _("Сообщения этого человека видит теперь только он.") if on else _("Сообщения снова видны всем.")
    )
    return ActionResult(message, {"person": person_id, "on": on}, suffix="#talk-queue")
