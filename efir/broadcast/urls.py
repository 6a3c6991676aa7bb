"""URLs of the own broadcast that Django answers; `efir.edge` answers playlists and media."""

from __future__ import annotations

from django.urls import path, re_path, register_converter

from efir.broadcast import media, views
from efir.broadcast.playlist import Rendition


class ChunkNumberConverter:
    """The number of a chunk: a webinar with ten chunks a second needs six digits."""

    regex = "0|[1-9][0-9]{0,8}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


register_converter(ChunkNumberConverter, "chunk")

urlpatterns = [
    *(
        path(
            f"account/webinar_room/<id:webinar_id>/video/{rendition}.m3u8",
            views.live_playlist,
            {"rendition": rendition},
            name=f"{rendition}_playlist",
        )
        for rendition in Rendition
    ),
    re_path(media.PATH.pattern.replace("/media/", "^media/") + "$", views.media_file, name="media_file"),
    path("admin_webinar/<id:webinar_id>/broadcast", views.open_session, name="broadcast_open"),
    path(
        "admin_webinar/<id:webinar_id>/broadcast/<uuid:session_id>/<chunk:n>",
        views.put_chunk,
        name="broadcast_chunk",
    ),
    path(
        "admin_webinar/<id:webinar_id>/broadcast/<uuid:session_id>/end",
        views.end_session,
        name="broadcast_end",
    ),
]
