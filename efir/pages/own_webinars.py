"""`/account/webinars/`: a person's past webinars (with a seat, or in the room) and their recordings."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from efir.accounts.capabilities import Capability, capability_required
from efir.accounts.models import Person
from efir.accounts.sessions import current_person
from efir.attendance.models import Participation, Verdict
from efir.broadcast.recording_links import personal_url
from efir.webinars.lifecycle import Status
from efir.webinars.models import Seat, Webinar

PAGE_SIZE = 20


@never_cache
@require_safe
@capability_required(Capability.ENTER_ROOM)
def own_webinars(request: HttpRequest) -> HttpResponse:
    """List them, the latest first, with what the person watched and the recording."""
    person = current_person(request)
    page = Paginator(_past_webinars(person), PAGE_SIZE).get_page(request.GET.get("page"))
    found = Verdict.objects.filter(lead=person, webinar__in=[webinar.pk for webinar in page])
    # A held verdict is not shown to its person.
    verdicts = {verdict.webinar_id: verdict for verdict in found.exclude(attended=None)}
    rows = [(webinar, verdicts.get(webinar.pk)) for webinar in page]
    return render(request, "pages/own_webinars.html", {"page": page, "rows": rows})


@never_cache
@require_safe
@capability_required(Capability.ENTER_ROOM)
def own_recording(request: HttpRequest, webinar_id: int) -> HttpResponse:
    """Redirect to the recording at the person's own address; 404 unless they had a seat or were in the room."""
    person = current_person(request)
    webinar = _past_webinars(person).exclude(recording_url="").filter(pk=webinar_id).first()
    if webinar is None:
        raise Http404
    return redirect(personal_url(webinar, person))


def _past_webinars(person: Person) -> QuerySet[Webinar]:
    seats = Seat.objects.filter(webinar=OuterRef("pk"), person=person)
    entries = Participation.objects.filter(webinar=OuterRef("pk"), person=person)
    # Somebody whose entry was not recorded may have one as well.
    verdicts = Verdict.objects.filter(webinar=OuterRef("pk"), lead=person)
    past = Webinar.objects.filter(status__in=[Status.FINISHED, Status.ARCHIVED])
    own = Q(Exists(seats)) | Q(Exists(entries)) | Q(Exists(verdicts))
    return past.filter(own).order_by("-finished_at", "-pk")
