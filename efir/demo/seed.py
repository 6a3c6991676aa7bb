"""Sample people and webinars: everything goes through the same functions as in real life, with the clock moved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import uuid4

from django.conf import settings
from django.core.management import call_command
from django.db import transaction

from efir.accounts.capabilities import Role
from efir.accounts.models import Person
from efir.accounts.services import create_person
from efir.attendance import classifier
from efir.config import ConfigError
from efir.demo.posters import painted
from efir.demo.site import fake_bot_api
from efir.hooks.actions import Context, Source
from efir.lib import clock
from efir.room.presence import IntervalRow, Pending, RecorderRow
from efir.room.presence_store import write
from efir.server.models import DemoMark
from efir.telegram.models import TelegramChat
from efir.triggers import registry
from efir.webinars import core
from efir.webinars.models import Webinar
from efir.webinars.posters.render import from_picture
from efir.webinars.posters.store import keep
from efir.webinars.selectors import on_air, upcoming

PASSWORD = "efir-demo"  # noqa: S105  # printed at every start
FIRST_CHAT_ID = 1001
NEAR = timedelta(hours=1)

PEOPLE: dict[str, tuple[str, Role, str | None]] = {
    "admin": ("Ольга Админ", Role.ADMIN, None),
    "speaker": ("Анна Спикер", Role.SPEAKER, None),
    "leader": ("Лев Лидер", Role.LEADER, None),
    "partner": ("Павел Партнёр", Role.PARTNER, "leader"),
    "partner2": ("Полина Партнёр", Role.PARTNER, "leader"),
    "candidate1": ("Катя Первая", Role.CANDIDATE, "partner"),
    "candidate2": ("Коля Второй", Role.CANDIDATE, "partner"),
    "candidate3": ("Ксюша Третья", Role.CANDIDATE, "partner"),
    "candidate4": ("Кирилл Четвёртый", Role.CANDIDATE, "partner2"),
    "candidate5": ("Клара Пятая", Role.CANDIDATE, "partner2"),
    "candidate6": ("Костя Шестой", Role.CANDIDATE, "partner2"),
}
WITHOUT_CHAT = {"candidate3", "candidate6"}
WITHOUT_SEAT = {"candidate5"}

# Yesterday's webinar: minutes in the room, of sixty; who is not named here did not come.
YESTERDAY = {"candidate1": (-5, 60), "candidate2": (2, 25), "candidate4": (0, 60), "candidate6": (10, 60)}


def prepare(*, reset: bool) -> None:
    """Seed an empty database; keep a seeded one, but let something be about to start. Prints the log-ins.

    Raises ConfigError where the database holds somebody else's data.
    """
    if Person.objects.exists() and not DemoMark.objects.exists():
        raise ConfigError(
            "the database holds people who are not the demo's. Give the demo its own place: EFIR_DATA_DIR "
            "(and EFIR_DATABASE_URL, if it is set)."
        )
    if reset:
        _forget()
    kept = DemoMark.objects.exists()
    if not kept:
        with transaction.atomic():
            _seed()
            DemoMark.objects.create(seeded_at=clock.now())
    with transaction.atomic():
        if not _something_is_near():
            _next_webinar(_people())
    _introduce()
    _print_welcome(kept=kept)


def _something_is_near() -> bool:
    soon = upcoming().filter(starts_at__lt=clock.now() + NEAR, starts_at__gt=clock.now(), withdrawn=False)
    return on_air().exists() or soon.exists()


def _forget() -> None:
    with registry.disabled():
        call_command("flush", interactive=False, verbosity=0)
    (settings.EFIR.data_dir / "standin.jsonl").unlink(missing_ok=True)


def _people() -> dict[str, Person]:
    return {person.login: person for person in Person.objects.filter(login__in=PEOPLE)}


def _seed() -> None:
    people: dict[str, Person] = {}
    for login, (name, role, inviter) in PEOPLE.items():
        people[login] = create_person(
            login=login,
            name=name,
            role=role,
            password=PASSWORD,
            invited_by=people[inviter] if inviter else None,
            consented=True,
        )
    for number, person in enumerate(people.values()):
        person.email, person.phone, person.telegram_name = _contacts(person.login, number)
        person.save(update_fields=["email", "phone", "telegram_name"])
    for number, login in enumerate(login for login in PEOPLE if login not in WITHOUT_CHAT):
        TelegramChat.objects.create(
            person=people[login], chat_id=FIRST_CHAT_ID + number, linked_at=clock.now()
        )
    _held_yesterday(people)
    _next_webinar(people)
    now = clock.now()
    _webinar("Первые сто клиентов", now + timedelta(days=1), people["speaker"])
    _webinar("Как говорить о деньгах", now + timedelta(days=3), people["speaker"])


def _contacts(login: str, number: int) -> tuple[str, str, str]:
    """Made up: a domain and numbers that belong to nobody."""
    return f"{login}@example.org", f"+7000000{number:04}", f"demo_{login}"


def _introduce() -> None:
    """The stand-in knows the people who have a chat."""
    bot_api = fake_bot_api()
    if bot_api is None:
        return
    for chat in TelegramChat.objects.select_related("person"):
        if chat.chat_id not in bot_api.chats:
            bot_api.people.add(chat.chat_id, chat.person.name, chat.person.login)


def _next_webinar(people: dict[str, Person]) -> None:
    webinar = _webinar("Своё дело без вложений", clock.now() + timedelta(minutes=10), people["speaker"])
    for login, person in people.items():
        if login.startswith("candidate") and login not in WITHOUT_SEAT:
            core.book_seat(webinar.pk, person)


def _webinar(title: str, starts_at: datetime, speaker: Person) -> Webinar:
    context = Context(speaker.pk, Source.WEB)
    webinar = core.create(
        {
            "title": title,
            "description": "Живой эфир: рассказываем, как всё устроено, и отвечаем на вопросы.",
            "speaker_name": speaker.name,
            "starts_at": starts_at.replace(second=0, microsecond=0),
            "length_min": 60,
            "player_url": f"{settings.EFIR.public_url}/demo/player/",
            "poster": keep(from_picture(painted(Webinar.objects.count()))),
        },
        context,
    )
    return core.publish(webinar.pk, context)


def _held_yesterday(people: dict[str, Person]) -> None:
    start = clock.now() - timedelta(days=1)
    speaker = Context(people["speaker"].pk, Source.WEB)
    with _at(start - timedelta(days=1)):
        webinar = _webinar("Зачем нам живые эфиры", start, people["speaker"])
        for login in ("candidate1", "candidate2", "candidate3", "candidate4", "candidate5"):
            core.book_seat(webinar.pk, people[login])
    with _at(start):
        core.core_webinar_set_status(webinar.pk, "start", speaker)
    stop = start + timedelta(minutes=60)
    with _at(stop):
        _watched(webinar, people, start, stop)
        core.core_webinar_set_status(webinar.pk, "stop", speaker)
        core.publish_recording(webinar.pk, f"{settings.EFIR.public_url}/demo/recording/", speaker)
    with _at(stop + timedelta(seconds=settings.EFIR.settle_s + 1)):
        while classifier.classify_due():
            pass


def _watched(webinar: Webinar, people: dict[str, Person], start: datetime, stop: datetime) -> None:
    recorder = RecorderRow(uuid4(), start - timedelta(hours=1), stop, closed_at=stop)
    intervals = [
        IntervalRow(
            recorder.id,
            webinar.pk,
            people[login].pk,
            start + timedelta(minutes=came),
            start + timedelta(minutes=went),
        )
        for login, (came, went) in YESTERDAY.items()
    ]
    write(Pending((recorder,), tuple(intervals)))


@contextmanager
def _at(moment: datetime) -> Iterator[None]:
    with clock.replaced(lambda: moment):
        yield


def _print_welcome(*, kept: bool) -> None:
    address = settings.EFIR.public_url
    rows = [
        ("Расписание · schedule", f"{address}/webinars/"),
        ("Комната · room", f"{address}/account/webinar_room/"),
        ("Ведущий · speaker", f"{address}/admin_webinar/"),
        ("Telegram понарошку · chats", f"{address}/demo/telegram/"),
        ("Оформление · components", f"{address}/demo/components/"),
        ("Войти · log in", f"{address}/login/"),
    ]
    print("\nЭфир, демо · Efir, the demo\n")
    for name, where in rows:
        print(f"  {name:<28} {where}")
    print(f"\n  {', '.join(PEOPLE)}")
    print(f"  Пароль у всех · everybody's password: {PASSWORD}\n")
    if kept:
        print("  Данные прошлого раза на месте · data kept. Начать заново · start over: make demo RESET=1\n")
    print("  Остановить · stop: Ctrl-C\n", flush=True)
