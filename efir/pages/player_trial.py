"""`/admin_webinar/player/`: try a player before it is saved, as viewers will see it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from efir.accounts.capabilities import Capability, capability_required
from efir.lib import ids
from efir.web.shortcuts import post_only
from efir.webinars.forms import PlayerForm
from efir.webinars.lifecycle import Video
from efir.webinars.models import Webinar


@never_cache
@post_only
@capability_required(Capability.EDIT_WEBINAR)
def try_player(request: HttpRequest) -> HttpResponse:
    """Show the player that was typed into the form of a webinar, or what is wrong with its address. Nothing is saved.

    `webinar`: the id of the webinar that the form belongs to, if it is saved already: its studio is offered.
    """
    form = PlayerForm(request.POST)
    if not form.is_valid():
        return render(request, "pages/player_trial.html", {"form": form}, status=400)
    video, url = form.player
    webinar_id = ids.parse(request.POST.get("webinar", ""))
    saved = Webinar.objects.filter(pk=webinar_id, video=Video.OWN).first() if webinar_id else None
    context = {"form": form, "video": video.value, "url": url, "webinar": saved}
    return render(request, "pages/player_trial.html", context)
