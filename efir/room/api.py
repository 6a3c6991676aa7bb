"""The read-only API, documented at `/api/openapi.json`."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI, Schema, Status
from ninja import Path as InPath
from pydantic import Field

from efir.accounts.capabilities import Capability, can
from efir.accounts.models import Person
from efir.hooks.actions import Code
from efir.lib import ids
from efir.room.state import state_of
from efir.room.views import viewer_count
from efir.webinars.selectors import visible_webinar

# No documentation page: the built-in one loads scripts that the content security policy forbids.
api = NinjaAPI(title="Efir", version="1", description="The room's state, read-only.", docs_url=None)


class RoomState(Schema):
    """The state of a room. The player itself is handed out by `POST /account/webinar_room/<id>/watch`."""

    webinar_id: int
    status: str = Field(description="draft, scheduled, live, paused, finished or archived")
    cta_visible: bool
    version: int = Field(
        description="Grows with every change of the webinar; ignore a state with a smaller one."
    )
    server_time: str = Field(description="ISO 8601 in UTC")
    viewers: int = Field(description="People in the room; rounded down above 200.")
    withdrawn: bool
    words: str = Field(
        description="Changes whenever the title, speaker, description, time or poster changes."
    )
    starts_at: str | None
    started_at: str | None
    player_version: str = Field(
        description="Changes whenever the player or the chat changes; an opened page then asks for them again."
    )
    video: str = Field(description="own, embed or hls: the source of the video")
    signal: bool = Field(description="Whether the picture of the own broadcast is arriving.")
    low: bool = Field(
        default=False,
        description="Whether `low.m3u8`, a smaller picture, can be played now; only with `EFIR_LOW_RUNG`.",
    )
    talk: str = Field(description="off, questions, chat or embed")


class Problem(Schema):
    """The reason for a refusal."""

    error: str


@api.get(
    "/webinars/{id:webinar_id}/state",
    response={200: RoomState, 401: Problem, 403: Problem, 404: Problem},
    exclude_unset=True,
    summary="The room's state, the same object as on the event stream",
    url_name="room_state",
)
def room_state(
    request: HttpRequest, webinar_id: Annotated[int, InPath(ge=1, le=ids.LARGEST)]
) -> dict[str, Any] | Status[dict[str, str]]:
    """Return the room's state. Requires a session with `enter_room`, and `edit_webinar` for a draft."""
    if not isinstance(request.user, Person):
        return Status(401, {"error": "login_required"})
    if not can(request.user, Capability.ENTER_ROOM):
        return Status(403, {"error": Code.FORBIDDEN})
    drafts = can(request.user, Capability.EDIT_WEBINAR)
    webinar = visible_webinar(webinar_id, drafts=drafts)
    if webinar is None:
        return Status(404, {"error": Code.NOT_FOUND})
    return state_of(webinar, viewer_count(webinar))


def not_found(request: HttpRequest) -> HttpResponse:
    """Answer any other URL below `/api/` with 404 as JSON."""
    return api.create_response(request, {"error": "not_found"}, status=404)
