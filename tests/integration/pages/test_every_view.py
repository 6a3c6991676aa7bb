"""The answer of every view to every role: a table for GET and one for POST. A view without a row fails a test."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, resolve

from efir.accounts.capabilities import Role
from efir.edge.application import edge_routes
from efir.lib import clock as efir_clock
from efir.room import hub as hub_module
from efir.room import sse
from efir.talk import rate_limiter
from efir.talk.models import Kind
from efir.talk.writing import write_message
from efir.telegram.models import OutboxMessage
from efir.web.asgi_handler import OneThreadHandler
from tests.support.edge import Site

SESSION = "6f0e2a4c-1b7d-4f3a-9c55-0d1e2f3a4b5c"
ROLES = ["guest", "candidate", "partner", "leader", "speaker", "admin"]
# Addresses → the answers to guest, candidate, partner, leader, speaker, admin.
PAGES: dict[str, tuple[int, ...]] = {
    "/": (302, 302, 302, 302, 302, 302),
    "/webinars/calendar.ics": (200, 200, 200, 200, 200, 200),
    "/webinars/{draft}/calendar.ics": (404, 404, 404, 404, 404, 404),
    "/webinars/{scheduled}/calendar.ics": (200, 200, 200, 200, 200, 200),
    "/webinars/{finished}/calendar.ics": (200, 200, 200, 200, 200, 200),
    "/posters/00000000000000000000000000000000/480.webp": (404, 404, 404, 404, 404, 404),
    "/live/": (301, 301, 301, 301, 301, 301),
    "/live_room/": (301, 301, 301, 301, 301, 301),
    "/webinars/": (200, 200, 200, 200, 200, 200),
    "/login/": (200, 302, 302, 302, 302, 302),
    "/login/forgotten/": (200, 200, 200, 200, 200, 200),
    "/signup/": (200, 302, 302, 302, 302, 302),
    "/consent/": (200, 200, 200, 200, 200, 200),
    "/favicon.ico": (302, 302, 302, 302, 302, 302),
    "/apple-touch-icon.png": (302, 302, 302, 302, 302, 302),
    "/account/": (302, 200, 200, 200, 200, 200),
    "/account/contact_details": (302, 302, 302, 302, 302, 302),
    "/account/password/": (302, 200, 200, 200, 200, 200),
    "/account/sessions/end": (405, 405, 405, 405, 405, 405),
    "/account/sessions/no-such-mark/end": (405, 405, 405, 405, 405, 405),
    "/account/security/": (302, 200, 200, 200, 200, 200),
    "/login/code/": (302, 302, 302, 302, 302, 302),
    "/account/second_factor/": (302, 403, 403, 403, 302, 302),
    "/account/second_factor/begin": (405, 405, 405, 405, 405, 405),
    "/account/second_factor/codes": (405, 405, 405, 405, 405, 405),
    "/account/second_factor/off": (405, 405, 405, 405, 405, 405),
    "/account/people/{own}/second_factor_reset": (405, 405, 405, 405, 405, 405),
    "/account/contacts/": (302, 200, 200, 200, 200, 200),
    "/account/seats/{scheduled}/": (302, 404, 404, 404, 404, 404),
    "/account/seats/{scheduled}/remind": (405, 405, 405, 405, 405, 405),
    "/account/seats/{scheduled}/device": (405, 405, 405, 405, 405, 405),
    "/account/webinars/": (302, 200, 200, 200, 200, 200),
    "/account/recordings/{finished}/": (302, 404, 404, 404, 404, 404),
    "/account/people/": (302, 403, 403, 403, 403, 200),
    "/account/site/": (302, 403, 403, 403, 403, 200),
    "/site/logo/00000000000000000000000000000000/logo.png": (404, 404, 404, 404, 404, 404),
    "/site/theme/4a3fd6.css": (200, 200, 200, 200, 200, 200),
    "/account/audit/": (302, 403, 403, 403, 403, 200),
    "/account/data/": (302, 200, 200, 200, 200, 200),
    "/account/consent/": (302, 302, 302, 302, 302, 302),
    "/account/webinar_room/": (302, 200, 200, 200, 200, 200),
    "/account/webinar_room/{draft}/": (302, 404, 404, 404, 200, 200),
    "/account/webinar_room/{scheduled}/": (302, 200, 200, 200, 200, 200),
    "/account/webinar_room/{live}/": (302, 200, 200, 200, 200, 200),
    "/account/webinar_room/{paused}/": (302, 200, 200, 200, 200, 200),
    "/account/webinar_room/{finished}/": (302, 200, 200, 200, 200, 200),
    "/account/webinar_room/{archived}/": (302, 200, 200, 200, 200, 200),
    "/account/webinar_room/{live}/people": (302, 200, 200, 200, 200, 200),
    "/account/webinar_room/{live}/playback": (401, 403, 403, 403, 200, 200),
    "/account/webinar_room/{live}/watch": (405, 405, 405, 405, 405, 405),
    "/account/webinar_room/{live}/messages": (401, 200, 200, 200, 200, 200),
    "/account/webinar_room/{draft}/messages": (401, 404, 404, 404, 200, 200),
    "/admin_webinar/{live}/messages/{spoken}": (405, 405, 405, 405, 405, 405),
    "/admin_webinar/{live}/mute": (405, 405, 405, 405, 405, 405),
    "/account/webinar_room/{draft}/people": (302, 404, 404, 404, 200, 200),
    "/account/webinar_room/999/": (302, 404, 404, 404, 404, 404),
    "/admin_webinar/": (302, 403, 403, 403, 200, 200),
    "/admin_webinar/new/": (302, 403, 403, 403, 200, 200),
    "/admin_webinar/{draft}/": (302, 403, 403, 403, 200, 200),
    "/admin_webinar/{scheduled}/": (302, 403, 403, 403, 200, 200),
    "/admin_webinar/{live}/": (302, 403, 403, 403, 200, 200),
    "/admin_webinar/{finished}/": (302, 403, 403, 403, 200, 200),
    "/admin_webinar/{archived}/": (302, 403, 403, 403, 200, 200),
    "/admin_webinar/{scheduled}/studio/": (302, 403, 403, 403, 200, 200),
    "/admin_webinar/{finished}/studio/": (302, 403, 403, 403, 200, 200),
    "/admin_webinar/999/studio/": (302, 403, 403, 403, 404, 404),
    "/admin_webinar/999/": (302, 403, 403, 403, 404, 404),
    "/api/webinars/{scheduled}/state": (401, 200, 200, 200, 200, 200),
    "/api/webinars/{draft}/state": (401, 404, 404, 404, 200, 200),
    "/api/webinars/999/state": (401, 404, 404, 404, 404, 404),
    "/api/openapi.json": (200, 200, 200, 200, 200, 200),
    "/nowhere/": (404, 404, 404, 404, 404, 404),
    "/i18n/setlang/": (302, 302, 302, 302, 302, 302),
    "/offline/": (200, 200, 200, 200, 200, 200),
    "/offline.js": (200, 200, 200, 200, 200, 200),
    "/logout/": (405, 405, 405, 405, 405, 405),
    "/account/data/export": (405, 405, 405, 405, 405, 405),
    "/account/data/erase": (405, 405, 405, 405, 405, 405),
    "/account/candidates/{own}/": (302, 403, 200, 404, 404, 404),
    "/account/candidates/{theirs}/": (302, 403, 404, 404, 404, 404),
    "/account/people/{own}/role": (405, 405, 405, 405, 405, 405),
    "/account/people/{own}/password_reset": (405, 405, 405, 405, 405, 405),
    "/account/reset/MQ/abc-def/": (404, 404, 404, 404, 404, 404),
    "/webinars/{live}/seat": (405, 405, 405, 405, 405, 405),
    "/api/": (404, 404, 404, 404, 404, 404),
    "/api/nowhere": (404, 404, 404, 404, 404, 404),
    "/admin_webinar/{finished}/verdicts.csv": (302, 403, 403, 403, 200, 200),
    "/admin_webinar/999/verdicts.csv": (302, 403, 403, 403, 404, 404),
    "/admin_webinar/{finished}/presence.csv": (302, 403, 403, 403, 200, 200),
    "/admin_webinar/{live}/questions.csv": (302, 403, 403, 403, 200, 200),
    "/admin_webinar/{live}/talk.csv": (302, 403, 403, 403, 200, 200),
    "/admin_webinar/999/talk.csv": (302, 403, 403, 403, 404, 404),
    "/admin_webinar/999/presence.csv": (302, 403, 403, 403, 404, 404),
    "/account/telegram/link": (405, 405, 405, 405, 405, 405),
    "/account/telegram/qr": (405, 405, 405, 405, 405, 405),
    "/account/telegram/unlink": (405, 405, 405, 405, 405, 405),
    "/account/telegram/test": (405, 405, 405, 405, 405, 405),
    "/account/webinar_room/{live}/video/live.m3u8": (401, 404, 404, 404, 404, 404),
    "/account/webinar_room/{live}/video/audio.m3u8": (401, 404, 404, 404, 404, 404),
    "/account/webinar_room/{live}/video/low.m3u8": (401, 404, 404, 404, 404, 404),
    "/admin_webinar/{live}/broadcast": (405, 405, 405, 405, 405, 405),
    f"/admin_webinar/{{live}}/broadcast/{SESSION}/0": (405, 405, 405, 405, 405, 405),
    f"/admin_webinar/{{live}}/broadcast/{SESSION}/end": (405, 405, 405, 405, 405, 405),
    f"/media/1/{'x' * 22}/1/{'x' * 22}.m4s": (404, 404, 404, 404, 404, 404),
    "/healthz": (503, 503, 503, 503, 503, 503),
    "/healthz/web": (200, 200, 200, 200, 200, 200),
    "/metrics": (404, 404, 404, 404, 404, 404),
    "/account/webinar_room/999/people": (302, 404, 404, 404, 404, 404),
    "/account/webinar_room/{live}/cta": (405, 405, 405, 405, 405, 405),
    "/admin_webinar/{live}/talk/": (302, 403, 403, 403, 200, 200),
    "/admin_webinar/999/talk/": (302, 403, 403, 403, 404, 404),
    "/admin_webinar/{live}/start": (405, 405, 405, 405, 405, 405),
    "/admin_webinar/{live}/stop": (405, 405, 405, 405, 405, 405),
    "/admin_webinar/{live}/cta": (405, 405, 405, 405, 405, 405),
    "/admin_webinar/{live}/copy": (405, 405, 405, 405, 405, 405),
    "/admin_webinar/player/": (405, 405, 405, 405, 405, 405),
    "/admin_webinar/{draft}/delete": (405, 405, 405, 405, 405, 405),
    "/admin_webinar/{live}/publish": (405, 405, 405, 405, 405, 405),
    "/admin_webinar/{live}/withdraw": (405, 405, 405, 405, 405, 405),
    "/admin_webinar/{live}/recording": (403, 403, 403, 403, 200, 200),
    "/admin_webinar/999/recording": (403, 403, 403, 403, 404, 404),
    "/admin_webinar/{live}/stream_key": (405, 405, 405, 405, 405, 405),
    "/broadcast/on_publish": (405, 405, 405, 405, 405, 405),
    "/recordings/0000000000000000000000/": (404, 404, 404, 404, 404, 404),
    "/recordings/0000000000000000000000/video.m3u8": (404, 404, 404, 404, 404, 404),
    "/recordings/0000000000000000000000/video.mp4": (404, 404, 404, 404, 404, 404),
    "/admin_webinar/{live}/here": (405, 405, 405, 405, 405, 405),
    "/admin_webinar/{live}/verdicts/1": (405, 405, 405, 405, 405, 405),
    "/admin_webinar/{live}/messages/retry": (405, 405, 405, 405, 405, 405),
    "/admin_webinar/{live}/messages/{message}/retry": (405, 405, 405, 405, 405, 405),
    "/admin_webinar/{live}/messages/{message}/resolve": (405, 405, 405, 405, 405, 405),
}


SAID = "text=x&kind=question&client_id=6f0e2a4c-1b7d-4f3a-9c55-0d1e2f3a4b5c"

# Forms and buttons, as programs send them: a guest is redirected to the login, or refused if the answer is JSON.
POSTS: dict[tuple[str, str], tuple[int, ...]] = {
    ("/account/seats/{scheduled}/remind", "on=true"): (302, 404, 404, 404, 404, 404),
    ("/account/seats/{scheduled}/device", "device=phone"): (302, 404, 404, 404, 404, 404),
    ("/i18n/setlang/", "language=en"): (302, 302, 302, 302, 302, 302),
    ("/login/", "username=x&password=y"): (200, 302, 302, 302, 302, 302),
    ("/login/forgotten/", "username=x"): (200, 200, 200, 200, 200, 200),
    ("/logout/", ""): (302, 302, 302, 302, 302, 302),
    ("/signup/", ""): (200, 302, 302, 302, 302, 302),
    ("/account/contact_details", "email=&phone=&telegram_name="): (302, 302, 302, 302, 302, 302),
    ("/account/password/", ""): (302, 200, 200, 200, 200, 200),
    ("/account/sessions/end", ""): (302, 302, 302, 302, 302, 302),
    ("/account/sessions/no-such-mark/end", ""): (302, 302, 302, 302, 302, 302),
    ("/login/code/", "code=123456"): (302, 302, 302, 302, 302, 302),
    ("/account/second_factor/", "code=123456"): (302, 403, 403, 403, 302, 302),
    ("/account/second_factor/begin", ""): (302, 403, 403, 403, 302, 302),
    ("/account/second_factor/codes", ""): (302, 302, 302, 302, 302, 302),
    ("/account/second_factor/off", ""): (302, 302, 302, 302, 302, 302),
    ("/account/people/{own}/second_factor_reset", ""): (302, 403, 403, 403, 403, 403),
    ("/account/people/999/second_factor_reset", ""): (302, 403, 403, 403, 403, 404),
    ("/account/consent/", ""): (302, 302, 302, 302, 302, 302),
    ("/account/data/export", ""): (302, 400, 400, 400, 400, 400),
    ("/account/data/erase", ""): (302, 400, 400, 400, 400, 400),
    ("/account/people/", "name=x"): (302, 403, 403, 403, 403, 200),
    ("/account/people/{own}/role", "role=partner"): (302, 403, 403, 403, 403, 200),
    ("/account/people/999/role", "role=partner"): (302, 403, 403, 403, 403, 404),
    ("/account/people/{own}/password_reset", ""): (302, 403, 403, 403, 403, 200),
    ("/account/people/999/password_reset", ""): (302, 403, 403, 403, 403, 404),
    ("/account/reset/MQ/abc-def/", ""): (404, 404, 404, 404, 404, 404),
    ("/account/telegram/link", ""): (302, 503, 503, 503, 503, 503),
    ("/account/telegram/qr", ""): (302, 503, 503, 503, 503, 503),
    ("/account/telegram/unlink", ""): (302, 200, 200, 200, 200, 200),
    ("/account/telegram/test", ""): (302, 409, 409, 409, 409, 409),
    ("/webinars/{scheduled}/seat", ""): (401, 200, 200, 200, 200, 200),
    ("/webinars/{draft}/seat", ""): (401, 404, 404, 404, 404, 404),
    ("/webinars/{finished}/seat", ""): (401, 409, 409, 409, 409, 409),
    ("/webinars/999/seat", ""): (401, 404, 404, 404, 404, 404),
    ("/account/webinar_room/{live}/watch", ""): (401, 200, 200, 200, 200, 200),
    ("/account/webinar_room/{paused}/watch", ""): (401, 200, 200, 200, 200, 200),
    ("/account/webinar_room/{scheduled}/watch", ""): (401, 409, 409, 409, 409, 409),
    ("/account/webinar_room/{finished}/watch", ""): (401, 409, 409, 409, 409, 409),
    ("/account/webinar_room/{draft}/watch", ""): (401, 404, 404, 404, 409, 409),
    ("/account/webinar_room/{live}/playback", "playing=true"): (401, 204, 204, 204, 204, 204),
    ("/account/webinar_room/999/playback", "playing=true"): (401, 404, 404, 404, 404, 404),
    ("/account/webinar_room/999/watch", ""): (401, 404, 404, 404, 404, 404),
    ("/admin_webinar/new/", "title=x&time_zone=UTC&length_min=60&stream_type=obs"): (
        302,
        403,
        403,
        403,
        403,
        302,
    ),
    ("/admin_webinar/{draft}/", "title=x"): (302, 403, 403, 403, 302, 302),
    ("/admin_webinar/{draft}/", "status=live"): (302, 403, 403, 403, 409, 409),
    ("/admin_webinar/{draft}/", "forgotten_h=5"): (302, 403, 403, 403, 403, 302),
    ("/admin_webinar/999/", "title=x"): (302, 403, 403, 403, 404, 404),
    ("/admin_webinar/{scheduled}/start", ""): (403, 403, 403, 403, 200, 200),
    ("/admin_webinar/999/start", ""): (403, 403, 403, 403, 404, 404),
    ("/admin_webinar/{live}/stop", ""): (403, 403, 403, 403, 200, 200),
    ("/admin_webinar/999/stop", ""): (403, 403, 403, 403, 404, 404),
    ("/admin_webinar/{live}/cta", "visible=true"): (403, 403, 403, 403, 200, 200),
    ("/admin_webinar/999/cta", "visible=true"): (403, 403, 403, 403, 404, 404),
    ("/admin_webinar/{finished}/copy", ""): (403, 403, 403, 403, 200, 200),
    ("/admin_webinar/999/copy", ""): (403, 403, 403, 403, 404, 404),
    ("/admin_webinar/player/", "video=own"): (302, 403, 403, 403, 200, 200),
    ("/admin_webinar/player/", "video=embed&player_url=x"): (302, 403, 403, 403, 400, 400),
    ("/admin_webinar/{draft}/delete", ""): (403, 403, 403, 403, 200, 200),
    ("/admin_webinar/{scheduled}/delete", ""): (403, 403, 403, 403, 409, 409),
    ("/admin_webinar/999/delete", ""): (403, 403, 403, 403, 404, 404),
    ("/admin_webinar/{draft}/publish", ""): (403, 403, 403, 403, 200, 200),
    ("/admin_webinar/999/publish", ""): (403, 403, 403, 403, 404, 404),
    ("/admin_webinar/{scheduled}/withdraw", "withdrawn=true"): (403, 403, 403, 403, 200, 200),
    ("/admin_webinar/999/withdraw", "withdrawn=true"): (403, 403, 403, 403, 404, 404),
    ("/admin_webinar/{finished}/recording", "url=https://rutube.ru/video/1/"): (403, 403, 403, 403, 200, 200),
    ("/admin_webinar/{finished}/recording", "own=true"): (403, 403, 403, 403, 409, 409),
    ("/admin_webinar/{live}/stream_key", ""): (403, 403, 403, 403, 409, 409),
    ("/admin_webinar/999/stream_key", ""): (403, 403, 403, 403, 404, 404),
    ("/broadcast/on_publish", "name=a-key"): (404, 404, 404, 404, 404, 404),
    ("/admin_webinar/999/recording", "url=https://rutube.ru/video/1/"): (403, 403, 403, 403, 404, 404),
    ("/admin_webinar/{live}/here", ""): (403, 403, 403, 403, 200, 200),
    ("/admin_webinar/999/here", ""): (403, 403, 403, 403, 404, 404),
    ("/admin_webinar/{finished}/verdicts/{own}", "attended=true"): (403, 403, 403, 403, 403, 404),
    ("/admin_webinar/999/verdicts/{own}", "attended=true"): (403, 403, 403, 403, 403, 404),
    ("/admin_webinar/{finished}/messages/retry", ""): (403, 403, 403, 403, 403, 200),
    ("/admin_webinar/999/messages/retry", ""): (403, 403, 403, 403, 403, 404),
    ("/admin_webinar/{finished}/messages/{message}/retry", ""): (403, 403, 403, 403, 403, 200),
    ("/admin_webinar/{live}/messages/{message}/retry", ""): (403, 403, 403, 403, 403, 404),
    ("/admin_webinar/{finished}/messages/{message}/resolve", "delivered=true"): (
        403,
        403,
        403,
        403,
        403,
        200,
    ),
    ("/admin_webinar/{live}/messages/{message}/resolve", "delivered=true"): (403, 403, 403, 403, 403, 404),
    ("/account/webinar_room/{live}/cta", ""): (302, 303, 303, 303, 303, 303),
    ("/account/webinar_room/{scheduled}/cta", ""): (302, 303, 303, 303, 303, 303),
    ("/account/webinar_room/{draft}/cta", ""): (302, 404, 404, 404, 303, 303),
    ("/account/webinar_room/999/cta", ""): (302, 404, 404, 404, 404, 404),
    ("/account/webinar_room/{live}/messages", SAID): (401, 201, 201, 201, 201, 201),
    ("/account/webinar_room/{live}/messages", "text=x"): (401, 400, 400, 400, 400, 400),
    ("/account/webinar_room/{finished}/messages", SAID): (401, 409, 409, 409, 409, 409),
    ("/account/webinar_room/{draft}/messages", SAID): (401, 404, 404, 404, 409, 409),
    ("/account/webinar_room/999/messages", SAID): (401, 404, 404, 404, 404, 404),
    ("/admin_webinar/{live}/messages/{spoken}", "action=pin"): (403, 403, 403, 403, 200, 200),
    ("/admin_webinar/{live}/messages/{spoken}", "action=x"): (403, 403, 403, 403, 400, 400),
    ("/admin_webinar/{live}/messages/999", "action=hide"): (403, 403, 403, 403, 404, 404),
    ("/admin_webinar/{live}/mute", "person=x&on=true"): (403, 403, 403, 403, 400, 400),
    ("/admin_webinar/999/mute", "person=1&on=true"): (403, 403, 403, 403, 404, 404),
    ("/admin_webinar/{live}/broadcast", ""): (403, 403, 403, 403, 409, 409),
    ("/admin_webinar/999/broadcast", ""): (403, 403, 403, 403, 404, 404),
    (f"/admin_webinar/{{live}}/broadcast/{SESSION}/end", ""): (403, 403, 403, 403, 410, 410),
    ("/webinars/", ""): (405, 405, 405, 405, 405, 405),
    ("/account/", ""): (405, 405, 405, 405, 405, 405),
    ("/account/webinar_room/", ""): (405, 405, 405, 405, 405, 405),
    ("/account/audit/", ""): (405, 405, 405, 405, 405, 405),
    ("/api/webinars/{live}/state", ""): (405, 405, 405, 405, 405, 405),
    ("/admin_webinar/", ""): (405, 405, 405, 405, 405, 405),
    ("/healthz", ""): (405, 405, 405, 405, 405, 405),
    ("/metrics", ""): (405, 405, 405, 405, 405, 405),
    ("/webinars/calendar.ics", ""): (405, 405, 405, 405, 405, 405),
    ("/consent/", ""): (405, 405, 405, 405, 405, 405),
    ("/admin_webinar/{finished}/verdicts.csv", ""): (405, 405, 405, 405, 405, 405),
    ("/account/candidates/{own}/", ""): (405, 405, 405, 405, 405, 405),
}

STREAM = "/account/webinar_room/{live}/stream"
STREAM_ANSWERS = (401, 200, 200, 200, 200, 200)


@pytest.fixture
def places(make_webinar, make_person):
    """Make a webinar of each status, an own and a foreign candidate, and a message of the finished webinar."""
    found = {
        state: make_webinar(state).pk
        for state in ("draft", "scheduled", "live", "paused", "finished", "archived")
    }
    people = {role: make_person(Role(role)) for role in ROLES[1:]}
    found["own"] = make_person(invited_by=people["partner"]).pk
    found["theirs"] = make_person(invited_by=make_person(Role.PARTNER)).pk
    now = efir_clock.now()
    found["message"] = OutboxMessage.objects.create(
        webinar_id=found["finished"],
        lead_id=found["own"],
        person=people["partner"],
        kind="partner_attendance",
        state="failed",
        priority=1,
        created_at=now,
        cause_at=now,
        due_at=now,
    ).pk
    said = write_message(found["live"], people["partner"], "Здравствуйте", Kind.MESSAGE, uuid4())
    found["spoken"] = said[0].number
    return found, people


@pytest.fixture
def ask(places):
    """Return a function that sends a request as a role and returns the status; its changes are rolled back."""
    found, people = places
    keys = {}
    for role, person in people.items():
        client = Client()
        client.force_login(person)
        keys[role] = client.cookies[settings.SESSION_COOKIE_NAME].value

    def answer(method: str, role: str, address: str, data: str = "") -> int:
        client = Client()
        if role in keys:
            client.cookies[settings.SESSION_COOKIE_NAME] = keys[role]
        with transaction.atomic():
            status = client.generic(
                method, address.format(**found), data, "application/x-www-form-urlencoded"
            ).status_code
            transaction.set_rollback(True)
        cache.clear()
        rate_limiter._usages.clear()
        return int(status)

    return answer


@pytest.mark.django_db
def test_get_answers_by_role(ask):
    answers = {page: tuple(ask("GET", role, page) for role in ROLES) for page in PAGES}
    assert answers == PAGES


@pytest.mark.django_db
def test_post_answers_by_role(ask):
    answers = {post: tuple(ask("POST", role, *post) for role in ROLES) for post in POSTS}
    assert answers == POSTS


def _routes(resolver: URLResolver, before: str = "") -> Iterator[str]:
    for each in resolver.url_patterns:
        if isinstance(each, URLPattern):
            yield before + str(each.pattern)
        else:
            yield from _routes(each, before + str(each.pattern))


def test_every_view_has_a_row():
    addresses = [re.sub(r"\{\w+}", "5", address) for address in (*PAGES, *(each for each, _ in POSTS))]
    have = {resolve(address).route for address in addresses if address != "/nowhere/"}
    assert set(_routes(get_resolver())) - have == set()


def test_every_edge_route_has_a_row():
    addresses = [re.sub(r"\{\w+}", "5", address) for address in (*PAGES, STREAM)]
    patterns = [route.pattern for route in edge_routes(OneThreadHandler()) if route.name != "static/"]
    assert len(patterns) == 16
    assert [each.pattern for each in (*patterns, sse.PATH) if not any(map(each.fullmatch, addresses))] == []
    assert set(addresses) >= {"/offline/", "/offline.js"}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_edge_answers_like_django(places, monkeypatch):
    monkeypatch.setattr(hub_module, "_hub", None)
    found, people = places
    keys = {"guest": ""}
    for role, person in people.items():
        client = Client()
        client.force_login(person)
        keys[role] = client.session.session_key
    kept = [page for page in PAGES if not page.endswith(".csv") and page not in ("/healthz", "/metrics")]

    async def scenario():
        site = Site()
        answers = {}
        for page in kept:
            path = page.format(**found)
            answers[page] = tuple([(await site.get(path, keys[role])).status for role in ROLES])
        streams = []
        for role in ROLES:
            admitted = await site.hub.admission.admit(keys[role], found["live"])
            streams.append(admitted.status)
        return answers, tuple(streams)

    answers, streams = asyncio.run(scenario())
    assert answers == {page: PAGES[page] for page in kept}
    assert streams == STREAM_ANSWERS
