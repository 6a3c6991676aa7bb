"""`/account/candidates/<id>/`: one person whom the partner invited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from efir.accounts.capabilities import Capability, capability_required
from efir.accounts.services import own_candidate
from efir.accounts.sessions import current_person
from efir.attendance.evidence import timeline_of
from efir.attendance.labels import explain
from efir.attendance.models import Participation, Verdict
from efir.attendance.report.call_brief import CallBrief, briefs_of
from efir.attendance.report.partner import decided_verdicts
from efir.telegram.reachability import link_status
from efir.webinars.schedule import Schedule, booked_webinar_ids


@never_cache
@require_safe
@capability_required(Capability.SEE_OWN_CANDIDATES)
def candidate(request: HttpRequest, person_id: int) -> HttpResponse:
    """Show one of the partner's own candidates with their verdicts; answer 404 for anybody else's."""
    person = own_candidate(current_person(request), person_id)
    if person is None:
        raise Http404
    webinar = Schedule.read().ahead()
    verdicts = list(decided_verdicts().filter(lead=person).order_by("-webinar__starts_at"))
    briefs = briefs_of(verdicts)
    entries = Participation.objects.filter(webinar=webinar, person=person, is_lead=True)
    context = {
        "candidate": person,
        "telegram": link_status(person),
        "advice": _advice(verdicts, briefs),
        "verdicts": [(verdict, _times(verdict), briefs[verdict.pk]) for verdict in verdicts],
        "webinar": webinar,
        "entered": webinar is not None and webinar.is_on_air and entries.exists(),
        "seated": webinar is not None and webinar.pk in booked_webinar_ids(person.pk),
    }
    return render(request, "pages/candidate.html", context)


def _times(verdict: Verdict) -> str:
    """Return the reason with the candidate's own times; partners do not learn who decided a held verdict."""
    if verdict.reason != "left_early" or verdict.decided_by_id:
        return ""
    return explain(verdict, timeline_of(verdict.webinar))


def _advice(verdicts: Sequence[Verdict], briefs: Mapping[int, CallBrief]) -> str:
    """Return how to begin the conversation, by the latest verdict."""
    if not verdicts:
        return _("Напишите или позвоните: познакомьтесь и напомните о ближайшем вебинаре.")
    if briefs[verdicts[0].pk].questions:
        return _("Напишите или позвоните: на вебинаре остался вопрос без ответа, начните с него.")
    if verdicts[0].attended:
        return _("Напишите или позвоните: спросите, остались ли вопросы.")
    return _("Напишите или позвоните: спросите, как дела, и позовите на следующий вебинар.")
