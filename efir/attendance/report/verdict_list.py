"""The verdicts of a webinar: found by name, filtered by what came out, a page at a time, the held ones first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Case, Count, F, IntegerField, Q, QuerySet, Value, When
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from efir.attendance.models import Verdict
from efir.lib.text import clean_query, name_contains
from efir.web.shortcuts import update_query
from efir.webinars.models import Webinar

ON_A_PAGE = 50
WHO, VERDICT, PAGE = "who", "verdict", "verdicts"
HERE = "#verdicts"

FILTERS: Mapping[str, tuple[Promise, Q]] = {
    "": (_("все"), Q()),
    "held": (_("ждут решения"), Q(attended=None)),
    "attended": (_("засчитано"), Q(attended=True)),
    "left_early": (_("выход раньше времени"), Q(reason="left_early")),
    "no_show": (_("без входа в эфир"), Q(reason="no_show")),
    "decided": (_("решил человек"), Q(reason="decided_by_admin")),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the filter's links."""

    label: str
    count: int
    address: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class VerdictList:
    """What the page shows. `kept` are the address's other parameters, for the form that searches."""

    page: Page[Verdict]
    choices: list[Choice]
    counts: Mapping[str, int]
    who: str
    kept: list[tuple[str, str]]
    query: str
    more: str

    @property
    def is_narrowed(self) -> bool:
        """Whether the page shows some of the verdicts only."""
        return bool(self.who) or not self.choices[0].chosen


def read_board(webinar: Webinar, query: QueryDict) -> VerdictList:
    """The verdicts that the address asks for: `who` searches, `verdict` filters, `verdicts` is the page."""
    verdicts = Verdict.objects.filter(webinar=webinar)
    counts = counts_of(webinar)
    asked = query.get(VERDICT, "")
    chosen = asked if asked in FILTERS else ""
    who = clean_query(query, WHO)
    found = verdicts.filter(FILTERS[chosen][1], name_contains(who, "lead__name"))
    paginator = Paginator(_held_first(found.select_related("lead", "webinar", "decided_by")), ON_A_PAGE)
    others = update_query(query, **{PAGE: ""}).removeprefix("?")
    return VerdictList(
        page=paginator.get_page(query.get(PAGE)),
        choices=_choices(counts, chosen, query),
        counts=counts,
        who=who,
        kept=[(name, query.get(name, "")) for name in query if name not in (WHO, PAGE)],
        query=update_query(query),
        more=f"&{others}{HERE}" if others else HERE,
    )


def counts_of(webinar: Webinar) -> dict[str, int]:
    """How many verdicts each filter shows, with one query."""
    counted = Verdict.objects.filter(webinar=webinar).aggregate(
        **{f"n_{name}": Count("pk", filter=each) for name, (_, each) in FILTERS.items() if name},
        n_=Count("pk"),
    )
    return {name: counted[f"n_{name}"] for name in FILTERS}


def held_by_webinar() -> QuerySet[Verdict, Any]:
    """The webinars with verdicts that wait for a decision, the latest first: `webinar_id`, `title`, `number`."""
    waiting = Verdict.objects.filter(attended=None).values("webinar_id", title=F("webinar__title"))
    return waiting.annotate(number=Count("pk")).order_by("-webinar__finished_at")


def _choices(counts: Mapping[str, int], chosen: str, query: QueryDict) -> list[Choice]:
    """All, then each outcome that somebody has."""
    return [
        Choice(
            label=str(label),
            count=counts[name],
            address=(update_query(query, **{VERDICT: name, PAGE: ""}) or "?") + HERE,
            chosen=name == chosen,
        )
        for name, (label, _) in FILTERS.items()
        if not name or counts[name] or name == chosen
    ]


def _held_first(verdicts: QuerySet[Verdict]) -> QuerySet[Verdict]:
    held = Case(When(attended=None, then=Value(0)), default=Value(1), output_field=IntegerField())
    return verdicts.order_by(held, F("attended").desc(nulls_last=True), "lead__name", "lead_id")
