"""The texts of the sample data, in Russian and in English."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SampleTexts:
    """The names of the sample people and what they say; `names` by login, `later` in the order of the webinars."""

    names: Mapping[str, str]
    yesterday: str
    next: str
    later: tuple[str, ...]
    description: str
    question: str
    greeting: str


RUSSIAN = SampleTexts(
    names={
        "admin": "Ольга Админ",
        "speaker": "Анна Спикер",
        "leader": "Лев Лидер",
        "partner": "Павел Партнёр",
        "partner2": "Полина Партнёр",
        "candidate1": "Катя Первая",
        "candidate2": "Коля Второй",
        "candidate3": "Ксюша Третья",
        "candidate4": "Кирилл Четвёртый",
        "candidate5": "Клара Пятая",
        "candidate6": "Костя Шестой",
    },
    yesterday="Зачем нам живые эфиры",
    next="Своё дело без вложений",
    later=("Первые сто клиентов", "Как говорить о деньгах"),
    description="Живой эфир: рассказываем, как всё устроено, и отвечаем на вопросы.",
    question="Сколько времени это занимает в неделю?",
    greeting="Добрый вечер! Вопросы можно писать уже сейчас.",
)
ENGLISH = SampleTexts(
    names={
        "admin": "Olga Admin",
        "speaker": "Anna Speaker",
        "leader": "Leo Leader",
        "partner": "Paul Partner",
        "partner2": "Pauline Partner",
        "candidate1": "Kate First",
        "candidate2": "Nick Second",
        "candidate3": "Xenia Third",
        "candidate4": "Cyril Fourth",
        "candidate5": "Clara Fifth",
        "candidate6": "Kevin Sixth",
    },
    yesterday="Why we go live",
    next="A business of your own, with nothing to invest",
    later=("Your first hundred customers", "How to talk about money"),
    description="A live webinar: we show how everything works, and answer your questions.",
    question="How much time does it take a week?",
    greeting="Good evening! You can ask your questions already.",
)


def sample_texts(language: str) -> SampleTexts:
    """Return the texts in this language; Russian unless it is `en`."""
    return ENGLISH if language == "en" else RUSSIAN
