"""What every control endpoint shares: POST only, a capability, and one answer for programs and one for people.

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
    """It is as asked: a sentence for a person (and what they should look at again), an object for a program.

    `where` is what a person sees of the speaker's page then: its query and fragment. `shown`: of which webinar, where
    it is not the one that was acted on.
    """

    sentence: str
    body: dict[str, Any] = field(default_factory=dict)
    warning: str = ""
    where: str = ""
    shown: int | None = None


class BadRequest(Exception):
    """The request itself is wrong: 400 with this code."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(code)
        self.code = code
        self.sentence = sentence


Act = Callable[Concatenate[HttpRequest, int, P], ActionResult]
Show = Callable[[HttpRequest, int, BadRequest], HttpResponse]


def action_endpoint(capability: Capability, *, show: Show | None = None) -> Callable[[Act[P]], View]:
    """Turn an action on one webinar into its endpoint, guarded by `capability`.

    `show` gives the page on which a person puts a wrong request right; without it they go back with a sentence.
    """

    def guard(act: Act[P]) -> View:
        @post_only
        @wraps(act)
        def endpoint(
            request: HttpRequest, webinar_id: int, *args: P.args, **kwargs: P.kwargs
        ) -> HttpResponse:
            if not can(request.user, capability):
                return _not_allowed(request, webinar_id, capability)
            try:
                done = act(request, webinar_id, *args, **kwargs)
            except ActionRefused as refused:
                return _refused(request, webinar_id, refused)
            except BadRequest as invalid:
                return _invalid(request, webinar_id, invalid, show)
            if prefers_html(request):
                address = speaker_page_path(done.shown or webinar_id) + done.where
                return redirect_with_message(request, address, done.sentence, warning=done.warning)
            return JsonResponse(done.body)

        return endpoint

    return guard


def speaker_page_path(webinar_id: int) -> str:
    """The speaker's page of one webinar."""
    return f"/admin_webinar/{webinar_id}/"


def state_summary(webinar: Webinar) -> dict[str, Any]:
    """What a program learns of a webinar that it has just changed."""
    return {
        "webinar_id": webinar.pk,
        "status": webinar.status,
        "cta_visible": webinar.cta_visible,
        "version": webinar.version,
        "withdrawn": webinar.withdrawn,
    }


def parse_bool(request: HttpRequest, name: str) -> bool:
    """A yes or no of the request, spelled `true` or `false`; raises Invalid."""
    answer = {"true": True, "false": False}.get(request.POST.get(name, ""))
    if answer is None:
        raise BadRequest(f"invalid_{name}", _("Скажите true или false."))
    return answer


def _not_allowed(request: HttpRequest, webinar_id: int, capability: Capability) -> HttpResponse:
    if not prefers_html(request):
        return refused_json(ActionRefused(Code.FORBIDDEN, capability))
    if not request.user.is_authenticated:
        return redirect_to_login(speaker_page_path(webinar_id))
    raise PermissionDenied(capability)


def _refused(request: HttpRequest, webinar_id: int, refused: ActionRefused) -> HttpResponse:
    if not prefers_html(request):
        return refused_json(refused)
    if refused.code is Code.NOT_FOUND:
        raise Http404
    if refused.code is Code.FORBIDDEN:
        raise PermissionDenied
    return redirect_with_message(
        request, speaker_page_path(webinar_id), refusal_message(refused.code), error=True
    )


def _invalid(request: HttpRequest, webinar_id: int, invalid: BadRequest, show: Show | None) -> HttpResponse:
    if prefers_html(request):
        if show:
            return show(request, webinar_id, invalid)
        return redirect_with_message(request, speaker_page_path(webinar_id), invalid.sentence, error=True)
    return JsonResponse({"error": invalid.code, "detail": invalid.sentence}, status=400)
