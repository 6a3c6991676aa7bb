"""`/account/people/`: who may do what, new people, and links to set a password."""

from __future__ import annotations

import structlog
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from efir.accounts.capabilities import Capability, Role, capability_required
from efir.accounts.forms import NewPersonForm
from efir.accounts.models import Person, normalize_login
from efir.accounts.password_reset import one_time_link
from efir.accounts.roles import LastAdmin, assign_role
from efir.accounts.services import LoginTaken, create_person
from efir.accounts.sessions import current_person, request_context
from efir.audit.actions import Action
from efir.audit.log import record
from efir.hooks.actions import Context
from efir.web.shortcuts import post_only, prefers_html, redirect_with_message

ON_A_PAGE = 50
PEOPLE = "/account/people/"

log = structlog.get_logger(__name__)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@capability_required(Capability.ASSIGN_ROLES)
def people(request: HttpRequest) -> HttpResponse:
    """Everybody, a page at a time; POST adds somebody."""
    form = NewPersonForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        added = _added(form, request_context(request))
        if added:
            return _show_link(request, added)
    sought = request.GET.get("q", "").replace("\x00", "").strip()[:100]
    page = Paginator(_sought(sought), ON_A_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "sought": sought, "form": form, "roles": Role.choices}
    return render(request, "accounts/people.html", context)


def _sought(text: str) -> QuerySet[Person]:
    everybody = (
        Person.objects.filter(erased_at=None)
        .select_related("membership__group", "invited_by")
        .order_by("name", "pk")
    )
    if not text:
        return everybody
    # SQLite folds only ASCII, so a Russian name is sought as typed and with a capital.
    found = Q(login__icontains=normalize_login(text)) | Q(login__icontains=text)
    for spelling in {text, text.lower(), text.capitalize(), text.title()}:
        found |= Q(name__icontains=spelling)
    return everybody.filter(found)


def _added(form: NewPersonForm, context: Context) -> Person | None:
    given = form.cleaned_data
    try:
        return create_person(
            login=given["login"],
            name=given["name"],
            role=Role(given["role"]),
            password=None,
            invited_by=given["inviter"],
            context=context,
        )
    except LoginTaken:
        form.add_error("login", _("Аккаунт с таким логином уже есть."))
        return None


@post_only
@capability_required(Capability.ASSIGN_ROLES)
def role(request: HttpRequest, person_id: int) -> HttpResponse:
    """Give somebody a role; one's own stays, so that there always is an admin."""
    person = get_object_or_404(Person, pk=person_id, erased_at=None)
    asked = request.POST.get("role", "")
    if asked not in Role.values:
        return _refused(request, "invalid_role", 400, _("Такой роли нет."))
    if person.pk == current_person(request).pk:
        return _refused(
            request, "own_role", 409, _("Свою роль изменить нельзя: попросите другого администратора.")
        )
    try:
        assign_role(person, Role(asked), request_context(request))
    except LastAdmin:
        # Two who take the role from each other at once: the one who comes second is the last.
        return _refused(
            request, "last_admin", 409, _("Это последний администратор. Сначала назначьте ещё одного.")
        )
    log.info("role_assigned", person_id=person.pk, role=asked, actor_id=request.user.pk)
    if not prefers_html(request):
        return JsonResponse({"person_id": person.pk, "role": asked})
    words = {"name": person.name, "role": Role(asked).label}
    return redirect_with_message(request, PEOPLE, _("%(name)s теперь %(role)s.") % words)


def _refused(request: HttpRequest, code: str, status: int, sentence: str) -> HttpResponse:
    if prefers_html(request):
        return redirect_with_message(request, PEOPLE, sentence, error=True)
    return JsonResponse({"error": code, "detail": sentence}, status=status)


@never_cache
@post_only
@capability_required(Capability.ASSIGN_ROLES)
def password_reset(request: HttpRequest, person_id: int) -> HttpResponse:
    """A one-time link that the admin passes on."""
    person = get_object_or_404(Person, pk=person_id, is_active=True)
    with transaction.atomic():
        record(Action.PASSWORD_LINK_MADE, request_context(request), person_id=person.pk)
    log.info("password_link_made", person_id=person.pk, actor_id=request.user.pk)
    return _show_link(request, person)


def _show_link(request: HttpRequest, person: Person) -> HttpResponse:
    return render(request, "accounts/people_link.html", {"person": person, "link": one_time_link(person)})
