"""The personal data of this app: which account of another system a person had."""

from __future__ import annotations

from collections.abc import Iterable

from efir.accounts.models import Person
from efir.accounts.personal_data import Row, section
from efir.importing.models import ImportedRecord


@section("imported_from")
def _imported(person: Person) -> Iterable[Row]:
    records = ImportedRecord.objects.filter(person=person).order_by("pk")
    return records.values("source", "foreign_id", "created", "imported_at").iterator()
