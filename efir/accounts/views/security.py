"""`/account/security/`: the second factor, and where the person is logged in."""

from __future__ import annotations

from typing import Any

import structlog
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from efir.accounts import open_sessions, second_factor
from efir.accounts.capabilities import Capability, can
from efir.accounts.models import SecondFactor
from efir.accounts.sessions import current_person, end_other_sessions
from efir.web.shortcuts import post_only, redirect_with_message

log = structlog.get_logger(__name__)


@never_cache
@require_safe
@login_required
def security(request: HttpRequest) -> HttpResponse:
    """Show the state of the second factor and the open sessions."""
    person = current_person(request)
    sessions = open_sessions.list_open(request)
    context: dict[str, Any] = {
        "sessions": sessions[: open_sessions.MAX_SHOWN],
        "more": max(0, len(sessions) - open_sessions.MAX_SHOWN),
        "may_set_up": can(person, Capability.EDIT_WEBINAR),
    }
    factor = SecondFactor.objects.filter(person=person).first()
    if factor:
        context |= {
            "factor": factor,
            "codes_left": second_factor.codes_left(person),
            "unreadable": second_factor.unseal_secret(factor.sealed_secret, person) is None,
        }
    return render(request, "accounts/security.html", context)


@post_only
@login_required
def end_others(request: HttpRequest) -> HttpResponse:
    """Log the person out everywhere else, for example on a lost phone."""
    end_other_sessions(request)
    log.info("other_sessions_ended", person_id=current_person(request).pk)
    return redirect_with_message(request, reverse("security"), _("Готово: вы вошли только здесь."))


@post_only
@login_required
def end_one(request: HttpRequest, mark: str) -> HttpResponse:
    """Log the person out in one other browser. Idempotent: a session that does not exist counts as ended."""
    if open_sessions.is_own(request, mark):
        return redirect("security")
    open_sessions.end(request, mark)
    log.info("session_ended", person_id=current_person(request).pk)
    return redirect_with_message(
        request, reverse("security"), _("Готово: на том устройстве нужно войти заново.")
    )
