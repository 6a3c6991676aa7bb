"""`/account/people/`: an admin finds and adds people, assigns roles and makes password links."""

from __future__ import annotations

import structlog
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from efir.accounts.capabilities import Capability, Role, capability_required
from efir.accounts.forms import NewPersonForm
from efir.accounts.models import Person, normalize_login
from efir.accounts.password_reset import one_time_link
from efir.accounts.passwords import password_link_made
from efir.accounts.recent_login import recent_login_required
from efir.accounts.roles import LastAdmin, assign_role, lock_actor
from efir.accounts.services import LoginTaken, create_person
from efir.accounts.sessions import current_person, request_context
from efir.audit.actions import Action
from efir.audit.log import record
from efir.lib.hosts import readable_url
from efir.lib.pagination import KeyPaginator
from efir.lib.text import clean_query, words_contained
from efir.web.shortcuts import post_only, prefers_html, redirect_with_message

PAGE_SIZE = 50
PEOPLE = "/account/people/"

log = structlog.get_logger(__name__)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@capability_required(Capability.ASSIGN_ROLES)
@recent_login_required
def people(request: HttpRequest) -> HttpResponse:
    """List everybody, page by page, or those who match `?q=`; POST adds a person and shows their password link."""
    form = NewPersonForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        given = form.cleaned_data
        try:
            person = create_person(
                login=given["login"],
                name=given["name"],
                role=Role(given["role"]),
                password=None,
                invited_by=given["inviter"],
                context=request_context(request),
            )
            return _show_link(request, person)
        except LoginTaken:
            form.add_error("login", _("Аккаунт с таким логином уже есть."))
    text = clean_query(request.GET, "q")
    found = Person.objects.filter(erased_at=None)
    if text:
        as_login = Q(login__contains=normalize_login(text))
        found = found.filter(as_login | words_contained(text, "search_name", "login"))
    rows = Person.objects.select_related("membership__group", "invited_by", "second_factor")
    page = KeyPaginator(found.order_by("name", "pk"), PAGE_SIZE, rows).get_page(request.GET.get("page"))
    context = {"page": page, "query": text, "form": form, "roles": Role.choices}
    return render(request, "accounts/people.html", context)


@never_cache
@post_only
@capability_required(Capability.ASSIGN_ROLES)
@recent_login_required
def role(request: HttpRequest, person_id: int) -> HttpResponse:
    """Assign a role to somebody else. Nobody can change their own role, so that an admin always remains.

    A browser is asked first whether the change is meant, on a page that works without scripts.
    """
    person = get_object_or_404(Person, pk=person_id, erased_at=None)
    try:
        asked = Role(request.POST.get("role", ""))
    except ValueError:
        return _refused(request, "invalid_role", 400, _("Такой роли нет."))
    if person.pk == current_person(request).pk:
        return _refused(
            request, "own_role", 409, _("Свою роль изменить нельзя: попросите другого администратора.")
        )
    if prefers_html(request) and asked != person.role and "confirmed" not in request.POST:
        return render(request, "accounts/people_role.html", {"person": person, "role": asked})
    try:
        assign_role(person, asked, request_context(request))
    except LastAdmin:
        # Two admins removed each other at the same time, and this request came second.
        return _refused(
            request, "last_admin", 409, _("Это последний администратор. Сначала назначьте ещё одного.")
        )
    log.info("role_assigned", person_id=person.pk, role=asked.value, actor_id=request.user.pk)
    if not prefers_html(request):
        return JsonResponse({"person_id": person.pk, "role": asked.value})
    words = {"name": person.name, "role": asked.label}
    return redirect_with_message(request, PEOPLE, _("%(name)s теперь %(role)s.") % words)


def _refused(request: HttpRequest, code: str, status: int, sentence: str) -> HttpResponse:
    if prefers_html(request):
        return redirect_with_message(request, PEOPLE, sentence, error=True)
    return JsonResponse({"error": code, "detail": sentence}, status=status)


@never_cache
@post_only
@capability_required(Capability.ASSIGN_ROLES)
@recent_login_required
def password_reset(request: HttpRequest, person_id: int) -> HttpResponse:
    """Make a one-time link, which the admin passes on to the person."""
    person = get_object_or_404(Person, pk=person_id, is_active=True)
    context = request_context(request)
    with transaction.atomic():
        if not lock_actor(context, Capability.ASSIGN_ROLES):
            raise PermissionDenied(Capability.ASSIGN_ROLES)
        record(Action.PASSWORD_LINK_MADE, context, person_id=person.pk)
        password_link_made.send(sender=Person, person=person)
    log.info("password_link_made", person_id=person.pk, actor_id=request.user.pk)
    return _show_link(request, person)


def _show_link(request: HttpRequest, person: Person) -> HttpResponse:
    return render(
        request, "accounts/people_link.html", {"person": person, "link": readable_url(one_time_link(person))}
    )
