"""Plan and write the people of a WordPress site, from a CSV file of its users.

The plan reads everything and writes nothing. People are then written inviters first, some hundreds in a transaction,
because an inviter can never be added later.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, validate_email
from django.db import transaction

from efir.accounts.capabilities import ROLES, Capability, Role
from efir.accounts.models import LOGIN_MAX_LENGTH, Person, normalize_login
from efir.accounts.services import NewPerson, create_people
from efir.accounts.validators import clean_name, name_from_login
from efir.hooks.actions import Context, Source
from efir.importing.mapping import ImportMapping
from efir.importing.models import ImportedRecord
from efir.importing.report import FileRefused, Report, Row
from efir.lib.text import clean_token

KIND = "people"
# Django's validator takes longer addresses than the column, and SQLite would store them.
_fits_column = MaxLengthValidator(Person._meta.get_field("email").max_length)
BY_OPERATOR = Context(None, Source.CLI)
# A million users; the file is read into memory.
MAX_BYTES = 128 * 1024 * 1024
MAX_ROWS = 200_000
# People in one transaction: it takes a fraction of a second, for which a running server has to wait to write.
CHUNK = 500
# The line before the header by which Excel is told the separator.
_SEPARATOR_LINE = re.compile(r"sep=(?P<separator>[,;\t])\r?\n", re.IGNORECASE)


@dataclass(eq=False)
class User:
    """A row of the file. `inviter` is another row, `inviter_id` an existing person."""

    row: Row
    key: str
    login: str
    email: str
    role: Role
    wanted: str
    code: str
    name: str = ""
    person_id: int | None = None
    inviter: User | None = None
    inviter_id: int | None = None
    refused: bool = False

    @property
    def is_new(self) -> bool:
        return self.person_id is None and not self.refused

    def refuse(self, code: str, **values: object) -> None:
        """Leave the row out."""
        self.refused = True
        self.row.refuse(code, **values)


@dataclass(frozen=True, slots=True)
class PeoplePlan:
    """`chunks`: the people to write, inviters first. `adopted`: rows of people who were here before any import."""

    chunks: Sequence[Sequence[User]]
    adopted: Sequence[User]


def plan_people(path: Path, source: str, mapping: ImportMapping, report: Report) -> PeoplePlan:
    """Return the people to write, without existing ones; `report` gets the refused rows.

    Raises FileRefused and OSError.
    """
    users = list(_read(path, mapping, report))
    known = ImportedRecord.objects.filter(source=source).exclude(person=None)
    known_ids = dict(known.values_list("foreign_id", "person_id"))
    here = dict(Person.objects.values_list("login", "pk"))
    adopted = []
    for user in users:
        if user.key in known_ids:
            user.person_id = known_ids[user.key]
            if not user.refused:
                report.count(KIND, "known")
        elif not user.refused and user.login in here:
            user.person_id = here[user.login]
            adopted.append(user)
            user.row.note("login_exists")
            report.count(KIND, "known")
    _find_inviters(users, mapping, report)
    ordered = list(_inviters_first(users))
    chunks = [ordered[start : start + CHUNK] for start in range(0, len(ordered), CHUNK)]
    return PeoplePlan(chunks, adopted)


def write_people(users: Sequence[User], source: str) -> None:
    """Write these people, their records and the audit entries, all or none. Inviters come before their candidates."""
    with transaction.atomic():
        waiting = list(users)
        while waiting:
            ready = [user for user in waiting if not (user.inviter and user.inviter.is_new)]
            waiting = [user for user in waiting if user.inviter and user.inviter.is_new]
            people = create_people([_new_person(user) for user in ready], BY_OPERATOR)
            for user, person in zip(ready, people, strict=True):
                user.person_id = person.pk
        ImportedRecord.objects.bulk_create(_record(user, source, created=True) for user in users)


def record_adopted(users: Sequence[User], source: str) -> None:
    """Record which rows are people who existed before."""
    ImportedRecord.objects.bulk_create(_record(user, source, created=False) for user in users)


def _record(user: User, source: str, *, created: bool) -> ImportedRecord:
    return ImportedRecord(source=source, foreign_id=user.key, person_id=user.person_id, created=created)


def _new_person(user: User) -> NewPerson:
    inviter_id = user.inviter.person_id if user.inviter else user.inviter_id
    return NewPerson(user.login, user.name, user.role, user.email, inviter_id)


# --- The file ---


def _read(path: Path, mapping: ImportMapping, report: Report) -> Iterator[User]:
    """Yield every row. Raises FileRefused and OSError."""
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise FileRefused("too_large", limit=MAX_BYTES // 1024 // 1024)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise FileRefused("not_utf8", line=content.count(b"\n", 0, exc.start) + 1) from exc
    named = _SEPARATOR_LINE.match(text)
    delimiter = named["separator"] if named else max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        if named:
            next(reader)
        names = next(reader, [])
        rows = _Rows(path.name, report, mapping, _places(names, mapping), len(names))
        line = reader.line_num + 1
        for number, cells in enumerate(reader):
            if number >= MAX_ROWS:
                raise FileRefused("too_many_rows", limit=MAX_ROWS)
            if any(cells):
                yield rows.read(cells, line)
            line = reader.line_num + 1
    except csv.Error as exc:
        raise FileRefused("not_csv", line=reader.line_num, reason=str(exc)) from exc


def _places(header: Sequence[str], mapping: ImportMapping) -> dict[str, list[int]]:
    """Return which columns hold each field. Raises FileRefused if there is none for the login or the role."""
    names = {name.strip().casefold(): place for place, name in reversed(list(enumerate(header)))}
    places = {
        field: [names[name.casefold()] for name in columns if name.casefold() in names]
        for field, columns in mapping.columns.items()
    }
    for field in ("login", "role"):
        if not places[field]:
            raise FileRefused("no_column", columns=", ".join(mapping.columns[field]))
    return places


class _Rows:
    """Reads the rows of one file, and remembers their ids and logins."""

    def __init__(
        self,
        file: str,
        report: Report,
        mapping: ImportMapping,
        places: Mapping[str, Sequence[int]],
        width: int,
    ) -> None:
        self._file, self._report, self._mapping = file, report, mapping
        self._places, self._width = places, width
        self._logins: set[str] = set()
        self._ids: set[str] = set()

    def read(self, cells: Sequence[str], line: int) -> User:
        """Return the row, also a refused one, because others may name it as their inviter."""
        foreign_id, role_there = self._cell(cells, "id"), self._cell(cells, "role")
        login = normalize_login(self._cell(cells, "login")[:1000])
        # WordPress writes 0 for nobody; another column may still name an inviter.
        inviter = clean_token(self._cell(cells, "inviter", but="0")[:1000])
        role = _highest(role_there, self._mapping)
        user = User(
            row=Row(self._report, self._file, line, KIND, foreign_id[:40]),
            # Without an id the login identifies the person; a digest does not reveal it after an erasure.
            key=foreign_id or f"sha256:{hashlib.sha256(login.encode()).hexdigest()}",
            login=login,
            email=self._cell(cells, "email"),
            role=role or Role.CANDIDATE,
            wanted=inviter,
            code=self._cell(cells, "code").lower(),
        )
        if len(cells) < self._width or any(cells[self._width :]):
            user.refuse("cells", cells=len(cells), columns=self._width)
        elif not login or len(login) > LOGIN_MAX_LENGTH:
            user.refuse("login_length", limit=LOGIN_MAX_LENGTH)
        elif foreign_id and not (foreign_id.isascii() and foreign_id.isdigit() and len(foreign_id) < 20):
            user.refuse("id_missing")
        elif login in self._logins or foreign_id in self._ids:
            user.refuse("person_twice")
        elif role is None:
            user.refuse("role_unknown", role=role_there[:60])
        else:
            self._logins.add(login)
            self._ids |= {foreign_id} - {""}
            _clean_texts(user, self._cell(cells, "name"))
        return user

    def _cell(self, cells: Sequence[str], field: str, but: str = "") -> str:
        """Return the first filled cell of this field that is not `but`, or an empty text."""
        filled = (cells[place].strip() for place in self._places[field] if place < len(cells))
        return next((cell for cell in filled if cell and cell != but), "")


def _highest(text: str, mapping: ImportMapping) -> Role | None:
    """Return the highest of several roles; None if there is none, or one of them is unknown."""
    names = [name.strip() for name in text.replace("|", ",").split(",")]
    roles = [mapping.roles.get(name) for name in names]
    known = [role for role in roles if role is not None]
    # `ROLES` begins with the highest.
    return min(known, key=list(ROLES).index) if known and len(known) == len(roles) else None


def _clean_texts(user: User, name: str) -> None:
    """Set the name that others see, and drop an invalid e-mail address."""
    try:
        user.name = clean_name(name[:1000])
    except ValidationError:
        user.name = name_from_login(user.login)
        user.row.note("name_unusable")
    try:
        if user.email:
            validate_email(user.email)
            _fits_column(user.email)
    except ValidationError:
        user.email = ""
        user.row.note("email_unusable")


# --- Who invited whom ---


def _find_inviters(users: Sequence[User], mapping: ImportMapping, report: Report) -> None:
    """Set the inviter of each new person, or refuse the person: an inviter can never be added later."""
    known = _KnownNames(users)
    for user in users:
        if not user.is_new or not user.wanted:
            continue
        found: dict[User | int, str] = {}
        for how in mapping.inviter_is:
            if (inviter := known.find(user.wanted, how)) is not None:
                found.setdefault(inviter, how)
        if not found:
            user.refuse("inviter_unknown", inviter=user.wanted[:60])
        elif len(found) > 1:
            user.refuse("inviter_ambiguous", inviter=user.wanted[:60], ways=", ".join(found.values()))
        else:
            ((inviter, how),) = found.items()
            if isinstance(inviter, User):
                user.inviter = inviter
            else:
                user.inviter_id = inviter
            report.count("inviters", how)


class _KnownNames:
    """The names by which inviters can be given: of rows of the file, and of existing people."""

    def __init__(self, users: Sequence[User]) -> None:
        people = Person.objects.filter(erased_at=None)
        self._here: dict[str, dict[str, int]] = {
            "login": dict(people.values_list("login", "pk")),
            "code": dict(people.values_list("ref_code", "pk")),
        }
        self._rows: dict[str, dict[str, User]] = {"id": {}, "login": {}, "code": {}}
        for user in users:
            for how, name in (("id", user.row.foreign_id), ("login", user.login), ("code", user.code)):
                if name:
                    self._rows[how].setdefault(name, user)

    def find(self, name: str, how: str) -> User | int | None:
        """Return the row, or the id of an existing person. A person who is both is found as the same by any name."""
        spelled = {"id": name, "login": normalize_login(name), "code": name.lower()}[how]
        if row := self._rows[how].get(spelled):
            return row.person_id or row
        return self._here.get(how, {}).get(spelled)


def _inviters_first(users: Sequence[User]) -> Iterator[User]:
    """Yield the new people, each after their inviter. Refuse people in a circle, and those below somebody refused."""
    candidates: dict[User, list[User]] = defaultdict(list)
    for user in users:
        if user.is_new and user.inviter:
            candidates[user.inviter].append(user)
    ready = [user for user in users if user.is_new and not user.inviter]
    below_refused = [user for user in users if user.refused]
    while below_refused:
        inviter = below_refused.pop()
        for user in candidates[inviter]:
            user.refuse("inviter_refused", inviter_line=inviter.row.line)
            below_refused.append(user)
    placed = set(ready)
    for user in ready:  # grows during the iteration
        if user.inviter and Capability.SEE_OWN_CANDIDATES not in ROLES[user.inviter.role]:
            user.row.note("inviter_sees_nobody", inviter_line=user.inviter.row.line)
        yield user
        ready += (below := [each for each in candidates[user] if each.is_new])
        placed.update(below)
    for user in users:
        if user.is_new and user not in placed:
            user.refuse("inviter_circle")
