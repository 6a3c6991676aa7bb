"""Import a WordPress export: plan all of it first, then write it in small transactions.

After an interruption all people and webinars are complete, and the next run imports the rest.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from efir.importing import people, webinars
from efir.importing.mapping import ImportMapping
from efir.importing.models import SOURCE_MAX_LENGTH, ImportedRecord
from efir.importing.report import FileRefused, Report, Row
from efir.importing.wxr import read_export


def import_wordpress(
    export_file: Path, users_file: Path | None, mapping: ImportMapping, *, dry_run: bool
) -> Report:
    """Import the people and webinars of the files that were not imported before, and return the report.

    dry_run: report, but write nothing. Raises FileRefused if a file cannot be read at all; nothing is written then.
    Raises OSError, and IntegrityError if somebody else wrote the same at the same time.
    """
    report = Report()
    export = read_export(export_file, mapping.post_type, set(filter(None, mapping.meta.values())))
    source = mapping.source or _source(export.site)
    plans = webinars.plan_webinars(export, source, mapping, export_file.name, report)
    planned = people.plan_people(users_file, source, mapping, report) if users_file else None
    if not export.posts:
        row = Row(report, export_file.name, 1, webinars.KIND, "")
        row.note("no_webinars", type=mapping.post_type, types=", ".join(sorted(export.types)[:20]) or "-")
    if planned:
        if planned.adopted and not dry_run:
            people.record_adopted(planned.adopted, source)
        for chunk in planned.chunks:
            if not dry_run:
                people.write_people(chunk, source)
            report.count(people.KIND, "imported", len(chunk))
    for plan in plans:
        if not dry_run:
            webinars.write_webinar(plan, source)
        report.count(webinars.KIND, "imported")
    return report


def _source(site: str) -> str:
    """Return the name of the site of an export, which must be that of earlier imports. Raises FileRefused.

    A site at a new address would otherwise count as another one, and everything would be imported twice.
    """
    address = urlsplit(site.strip().lower())
    name = (
        (address.netloc.removeprefix("www.") + address.path.rstrip("/")) if address.netloc else site.strip()
    )
    name = name[:SOURCE_MAX_LENGTH] or "wordpress"
    known = set(ImportedRecord.objects.values_list("source", flat=True).distinct())
    if known and name not in known:
        raise FileRefused("another_source", source=name, known=", ".join(sorted(known)))
    return name
