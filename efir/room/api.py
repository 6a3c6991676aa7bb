"""The read-only API, documented at `/api/openapi.json`."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI, Schema
from ninja import Path as InPath
from pydantic import Field

from efir.accounts.capabilities import Capability, can
from efir.accounts.models import Person
from efir.hooks.actions import Code
from efir.lib import ids
from efir.room.state import state_of
from efir.room.views import viewers_of
from efir.webinars.selectors import visible_webinar

# The built-in documentation page wants scripts from elsewhere, which the content security policy refuses.
api = NinjaAPI(title="Efir", version="1", description="The room's state, read-only.", docs_url=None)


class RoomState(Schema):
    """What a viewer may know of a room. `player_url` and `chat_url` are there only while it is on air."""

    webinar_id: int
    status: str = Field(description="draft, scheduled, live, paused, finished or archived")
    cta_visible: bool
    version: int = Field(description="Moves with every change of the webinar; an older one is out of date.")
    server_time: str = Field(description="ISO 8601 in UTC")
    viewers: int = Field(description="People in the room; above 200 rounded down.")
    withdrawn: bool
    words: str = Field(description="Another one as soon as title, speaker, text, time or poster has changed.")
    starts_at: str | None
    started_at: str | None
    player_url: str | None = None
    chat_url: str | None = None


class Problem(Schema):
    """Why not."""

    error: str


class _Problem(Exception):
    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


@api.exception_handler(_Problem)
def _say(request: HttpRequest, problem: _Problem) -> HttpResponse:
    return api.create_response(request, {"error": problem.code}, status=problem.status)


@api.get(
    "/webinars/{id:webinar_id}/state",
    response={200: RoomState, 401: Problem, 403: Problem, 404: Problem},
    exclude_unset=True,
    summary="The room's state, as the stream tells it",
    url_name="room_state",
)
def room_state(
    request: HttpRequest, webinar_id: Annotated[int, InPath(ge=1, le=ids.LARGEST)]
) -> dict[str, Any]:
    """Needs the session of somebody with `enter_room`; a draft is there only for those with `edit_webinar`."""
    if not isinstance(request.user, Person):
        raise _Problem(401, "login_required")
    if not can(request.user, Capability.ENTER_ROOM):
        raise _Problem(403, Code.FORBIDDEN)
    drafts = can(request.user, Capability.EDIT_WEBINAR)
    webinar = visible_webinar(webinar_id, drafts=drafts)
    if webinar is None:
        raise _Problem(404, Code.NOT_FOUND)
    return state_of(webinar, viewers_of(webinar))


def nothing_here(request: HttpRequest) -> HttpResponse:
    """Any other address of the API, in the API's own form."""
    return api.create_response(request, {"error": "not_found"}, status=404)
