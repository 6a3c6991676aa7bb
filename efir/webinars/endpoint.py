"""The decorator of action endpoints: POST only, one capability, and an answer for programs and one for people.

The person who acts is the session's; no field of the request can name another one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _

from efir.accounts.capabilities import Capability, can
from efir.hooks.actions import ActionRefused, Code
from efir.web.shortcuts import View, post_only, prefers_html, redirect_with_message, refused_json
from efir.webinars.labels import refusal_message
from efir.webinars.models import Webinar

P = ParamSpec("P")


@dataclass(frozen=True)
class ActionResult:
    """What a successful action answers: a message for a person, a JSON object for a program.

    A person goes back to the speaker's page with `message` and `warning`: to that of `webinar_id`, by default the
    webinar that was acted on, with `suffix`, its query and fragment.
    """

    message: str
    body: dict[str, Any] = field(default_factory=dict)
    warning: str = ""
    suffix: str = ""
    webinar_id: int | None = None


class BadRequest(Exception):
    """The request itself is wrong: the answer is 400 with this code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


ActionView = Callable[Concatenate[HttpRequest, int, P], ActionResult]
FormPage = Callable[[HttpRequest, int, BadRequest], HttpResponse]


def action_endpoint(
    capability: Capability, *, form_page: FormPage | None = None
) -> Callable[[ActionView[P]], View]:
    """Turn an action on one webinar into its endpoint, guarded by `capability`.

    `form_page` renders the form again after a bad request; without it a person goes back with a message.
    """

    def decorate(action: ActionView[P]) -> View:
        @post_only
        @wraps(action)
        def endpoint(
            request: HttpRequest, webinar_id: int, *args: P.args, **kwargs: P.kwargs
        ) -> HttpResponse:
            try:
                if not can(request.user, capability):
                    raise ActionRefused(Code.FORBIDDEN, capability)
                result = action(request, webinar_id, *args, **kwargs)
            except ActionRefused as refused:
                return answer_refusal(request, webinar_id, refused)
            except BadRequest as bad:
                if not prefers_html(request):
                    return JsonResponse({"error": bad.code, "detail": bad.message}, status=400)
                if form_page:
                    return form_page(request, webinar_id, bad)
                return redirect_with_message(request, speaker_page_path(webinar_id), bad.message, error=True)
            if not prefers_html(request):
                return JsonResponse(result.body)
            path = speaker_page_path(result.webinar_id or webinar_id) + result.suffix
            return redirect_with_message(request, path, result.message, warning=result.warning)

        return endpoint

    return decorate


def answer_refusal(request: HttpRequest, webinar_id: int, refused: ActionRefused) -> HttpResponse:
    """Return a refusal as JSON with a sentence for people, or to a browser as a page or a message."""
    sentence = refusal_message(refused.code)
    if not prefers_html(request):
        return refused_json(ActionRefused(refused.code, sentence))
    if refused.code is Code.NOT_FOUND:
        raise Http404
    if refused.code is Code.FORBIDDEN:
        if not request.user.is_authenticated:
            return redirect_to_login(speaker_page_path(webinar_id))
        raise PermissionDenied
    return redirect_with_message(request, speaker_page_path(webinar_id), sentence, error=True)


def speaker_page_path(webinar_id: int) -> str:
    """Return the path of the speaker's page of one webinar."""
    return f"/admin_webinar/{webinar_id}/"


def state_summary(webinar: Webinar) -> dict[str, Any]:
    """Return the state of a changed webinar for programs."""
    return {
        "webinar_id": webinar.pk,
        "status": webinar.status,
        "cta_visible": webinar.cta_visible,
        "version": webinar.version,
        "withdrawn": webinar.withdrawn,
    }


def parse_bool(request: HttpRequest, name: str) -> bool:
    """Return a field of the form that must be `true` or `false`. Raises BadRequest."""
    value = {"true": True, "false": False}.get(request.POST.get(name, ""))
    if value is None:
        raise BadRequest(f"invalid_{name}", _("Укажите true или false."))
    return value
