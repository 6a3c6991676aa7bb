"""`/account/candidates/<id>/`: one person whom the partner invited."""

from __future__ import annotations

from collections.abc import Mapping

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from efir.accounts.capabilities import Capability, capability_required
from efir.accounts.services import own_candidate
from efir.accounts.sessions import current_person
from efir.attendance.models import Participation, Verdict
from efir.attendance.report.call_brief import CallBrief, briefs_of
from efir.attendance.report.partner import decided_verdicts
from efir.telegram.reachability import link_status
from efir.webinars.schedule import Schedule, booked_webinar_ids

PAGE_SIZE = 50


@never_cache
@require_safe
@capability_required(Capability.SEE_OWN_CANDIDATES)
def candidate(request: HttpRequest, person_id: int) -> HttpResponse:
    """Show one of the partner's own candidates with their verdicts; answer 404 for anybody else's."""
    person = own_candidate(current_person(request), person_id)
    if person is None:
        raise Http404
    webinar = Schedule.read().ahead()
    verdicts = decided_verdicts().filter(lead=person).order_by("-webinar__starts_at", "-pk")
    page = Paginator(verdicts, PAGE_SIZE).get_page(request.GET.get("page"))
    latest = verdicts.first()  # also if another page is shown
    briefs = briefs_of([*page, latest] if latest else [])
    entries = Participation.objects.filter(webinar=webinar, person=person, is_lead=True)
    context = {
        "candidate": person,
        "telegram": link_status(person),
        "advice": _advice(latest, briefs),
        "page": page,
        "verdicts": [(verdict, _times(verdict, briefs[verdict.pk]), briefs[verdict.pk]) for verdict in page],
        "webinar": webinar,
        "entered": webinar is not None and webinar.is_on_air and entries.exists(),
        "seated": webinar is not None and webinar.pk in booked_webinar_ids(person.pk),
    }
    return render(request, "pages/candidate.html", context)


def _times(verdict: Verdict, brief: CallBrief) -> str:
    """Return the candidate's own times; partners do not learn who decided a held verdict."""
    return brief.left if verdict.reason == "left_early" and not verdict.decided_by_id else ""


def _advice(latest: Verdict | None, briefs: Mapping[int, CallBrief]) -> str:
    """Return how to begin the conversation, by the latest verdict."""
    if latest is None:
        return _("Напишите или позвоните: познакомьтесь и напомните о ближайшем вебинаре.")
    if briefs[latest.pk].questions:
        return _("Напишите или позвоните: на вебинаре остался вопрос без ответа, начните с него.")
    if latest.attended:
        return _("Напишите или позвоните: спросите, остались ли вопросы.")
    return _("Напишите или позвоните: спросите, как дела, и позовите на следующий вебинар.")
