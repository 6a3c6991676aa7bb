"""The verdicts of a webinar as a list: search by name, filter by verdict, pages, the held ones first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page
from django.db.models import Case, Count, F, IntegerField, Q, QuerySet, Value, When
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from efir.attendance.evidence import late_results
from efir.attendance.models import Verdict
from efir.attendance.rules import VerdictResult
from efir.lib.filters import FilterLink, ListAddress, update_query
from efir.lib.pagination import KeyPaginator
from efir.lib.text import clean_query, words_contained
from efir.webinars.models import Webinar

PAGE_SIZE = 50
QUERY_NAME = "who"
ANCHOR = "#verdicts"

FILTERS: Mapping[str, tuple[Promise, Q]] = {
    "": (_("все"), Q()),
    "held": (_("ждут решения"), Q(attended=None)),
    "attended": (_("засчитано"), Q(attended=True)),
    "watched_too_little": (_("просмотрено слишком мало"), Q(reason="watched_too_little")),
    "not_watched": (_("в комнате, но без просмотра"), Q(reason="not_watched")),
    "left_early": (_("выход раньше времени"), Q(reason="left_early")),
    "no_show": (_("без входа в эфир"), Q(reason="no_show")),
    "decided": (_("решил администратор"), Q(reason="decided_by_admin")),
}


@dataclass(frozen=True, slots=True)
class VerdictList:
    """A page of verdicts. `kept` are the other parameters of the query, for the search form.

    `late`: lead id → the result by evidence that came after a verdict which a person has yet to decide.
    """

    page: Page[Verdict]
    late: Mapping[int, VerdictResult]
    choices: list[FilterLink]
    counts: Mapping[str, int]
    who: str
    kept: list[tuple[str, str]]
    query: str
    more: str

    @property
    def missed(self) -> int:
        """Return the number of people who did not attend."""
        return self.counts[""] - self.counts["attended"] - self.counts["held"]


def list_verdicts(webinar: Webinar, query: QueryDict) -> VerdictList:
    """Return the verdicts that the query asks for: `who` searches, `verdict` filters, `verdicts` is the page."""
    address = ListAddress(query, "verdict", "verdicts", ANCHOR)
    counts = _counts(webinar)
    chosen = address.chosen(FILTERS)
    who = clean_query(query, QUERY_NAME)
    found = Verdict.objects.filter(
        FILTERS[chosen][1], words_contained(who, "lead__search_name"), webinar=webinar
    )
    rows = Verdict.objects.select_related("lead", "webinar", "decided_by")
    paginator = KeyPaginator(_held_first(found), PAGE_SIZE, rows)
    if not who:
        paginator.count = counts[chosen]  # saves the paginator's own query
    page = paginator.get_page(address.page_number)
    with_verdicts = [
        (name, label, counts[name])
        for name, (label, _) in FILTERS.items()
        if not name or counts[name] or name == chosen
    ]
    return VerdictList(
        page=page,
        late=late_results(webinar, [verdict for verdict in page if verdict.attended is None]),
        choices=address.links(with_verdicts, chosen),
        counts=counts,
        who=who,
        kept=[(name, query.get(name, "")) for name in query if name not in (QUERY_NAME, address.page_name)],
        query=update_query(query),
        more=address.pager_suffix,
    )


def _counts(webinar: Webinar) -> dict[str, int]:
    counted = Verdict.objects.filter(webinar=webinar).aggregate(
        **{f"n_{name}": Count("pk", filter=each) for name, (_, each) in FILTERS.items() if name},
        n_=Count("pk"),
    )
    return {name: counted[f"n_{name}"] for name in FILTERS}


def held_by_webinar() -> QuerySet[Verdict, Any]:
    """Return the webinars with held verdicts, the latest first: id, `webinar__finished_at`, `title`, `number`."""
    waiting = Verdict.objects.filter(attended=None).values(
        "webinar_id", "webinar__finished_at", title=F("webinar__title")
    )
    return waiting.annotate(number=Count("pk")).order_by("-webinar__finished_at")


def _held_first(verdicts: QuerySet[Verdict]) -> QuerySet[Verdict]:
    held = Case(When(attended=None, then=Value(0)), default=Value(1), output_field=IntegerField())
    return verdicts.order_by(held, F("attended").desc(nulls_last=True), "lead__name", "lead_id")
