"""Clean text that people paste and type before it is validated, and fold it for searches.

Invisible characters that come with pasted text (direction marks, zero-width characters, soft hyphens, variation
selectors, fillers) are removed, so that two texts that look the same are the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from unicodedata import bidirectional, category, combining, normalize

from django.db.models import Q
from django.http import QueryDict

QUERY_MAX_LENGTH = 100
# Each word of a search is a condition of the query.
QUERY_MAX_WORDS = 8
# Marks on one letter after composition. Latin and Cyrillic have two at most, Burmese four; more cover other rows.
MAX_DIACRITICS = 2
MAX_MARKS = 4

# Normalization sorts a run of marks, in time that grows with its square. No spelling is longer: UAX #15, Stream-Safe.
LONGEST_RUN = 30

_ZWNJ, _ZWJ, _EMOJI_STYLE = "\u200c", "\u200d", "\ufe0f"
# Besides the format characters (Cf): Default_Ignorable_Code_Point of Unicode, and signs that are drawn as nothing.
_IGNORED = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u3164\uffa0\ufe00-\ufe0f\ufff0-\ufff8\ufffc"
    "\U00013441\U00013442\U00016fe4\U0001d159\U000e0000-\U000e0fff]"
)
_MARKS = frozenset({"Mn", "Me"})
_DROPPED_CATEGORIES = frozenset({"Cc", "Cf", "Cs"})
_LINE_END = re.compile("\r\n|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_SPACE = re.compile("[\\s\u2800]")  # a Braille pattern without dots is a space
_PLAIN = re.compile("[ -~\u00a1-\u00ac\u00ae-\u02ff\u0370-\u0482\u048a-\u052f«»\u2013\u2014\u2019\u2026№]*")
_NO_BREAK_HYPHENS = str.maketrans("\u2010\u2011", "--")
_DASHES = re.compile("[\u2010-\u2015\u2043\u2212\ufe58\ufe63\uff0d]")
_FULL_WIDTH = re.compile("[\uff01-\uff5e]")
# The scripts that are written with joiners: Arabic to N'Ko, those of India to Burma, Khmer, Mongolian, Arabic forms.
_JOINED = re.compile("[\u0600-\u08ff\u0900-\u109f\u1780-\u18af\ua8e0-\ua8ff\ufb50-\ufdff\ufe70-\ufefc]")
_EMOJI = re.compile(
    "[\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u27bf\u2900-\u2bff\u3030\u303d\U0001f000-\U0001faff]"
)
_DIACRITIC = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
_VIRAMA = 9  # the combining class of the sign that joins two consonants


def clean_line(text: str) -> str:
    """Return the text as one line in NFC, without invisible characters; empty if nothing is left."""
    return " ".join(_visible(_SPACE.sub(" ", text)).split())


def clean_text(text: str) -> str:
    """Return the text in NFC, without invisible characters but with its line breaks. Empty if nothing is left."""
    lines = (_visible(_SPACE.sub(" ", line)).rstrip() for line in _LINE_END.split(text))
    return "\n".join(lines).strip()


def clean_token(text: str) -> str:
    """Return a login, a number or a code: one line in NFKC, without joiners, with a hyphen for each dash."""
    text = _DASHES.sub("-", normalize("NFKC", _DASHES.sub("-", clean_line(text))))
    return clean_line(re.sub(f"[{_ZWNJ}{_ZWJ}{_EMOJI_STYLE}]", "", text))


def clean_url(text: str) -> str:
    """Return a pasted URL, or code that contains one, as one line; full-width characters become ASCII."""
    text = clean_line(text)
    return clean_line(normalize("NFKC", text)) if _FULL_WIDTH.search(text) else text


def isolate(text: str) -> str:
    """Return the text so that a right-to-left script in it does not turn the sentence around it (UAX #9, isolates)."""
    return f"\u2068{text}\u2069" if any(bidirectional(char) in _RIGHT_TO_LEFT for char in text) else text


def fold(text: str) -> str:
    """Return the text as it is searched: in lower case, ё as е, ﬁ and full-width signs as plain letters."""
    return normalize("NFKC", clean_token(text).casefold()).replace("ё", "е")


def _visible(text: str) -> str:
    """Return a line in NFC without invisible characters, and with few marks on each letter."""
    if _PLAIN.fullmatch(text):
        return text
    text = text.translate(_NO_BREAK_HYPHENS)
    following, after = [""] * len(text), ""
    for index in range(len(text) - 1, -1, -1):
        following[index] = after
        if not _is_dropped(text[index]):
            after = text[index]
    kept: list[str] = []
    run = 0
    for char, after in zip(text, following, strict=True):
        run = run + 1 if category(char) in _MARKS else 0
        if run <= LONGEST_RUN and (not _is_dropped(char) or (kept and _is_needed(char, kept[-1], after))):
            kept.append(char)
    return normalize("NFC", "".join(_limit_marks(normalize("NFC", "".join(kept)))))


def _is_dropped(char: str) -> bool:
    return category(char) in _DROPPED_CATEGORIES or _IGNORED.match(char) is not None


def _is_needed(char: str, before: str, after: str) -> bool:
    """Return whether an invisible character between these two is part of the spelling or of an emoji."""
    if char == _EMOJI_STYLE:
        return _EMOJI.match(before) is not None
    if char not in (_ZWNJ, _ZWJ):
        return False
    if combining(before) == _VIRAMA or (_JOINED.match(before) and _JOINED.match(after)):
        return True
    is_emoji = before == _EMOJI_STYLE or _EMOJI.match(before)
    return char == _ZWJ and bool(is_emoji and _EMOJI.match(after))


def _limit_marks(text: str) -> Iterable[str]:
    """Yield the characters without marks that have no letter, that repeat, or that are too many on one letter."""
    base, marks = " ", ""
    for char in text:
        if category(char) not in _MARKS:
            if char not in (_ZWNJ, _ZWJ):
                base, marks = char, ""
            yield char
            continue
        most = MAX_DIACRITICS if _DIACRITIC.match(char) else MAX_MARKS
        if base != " " and char not in marks and len(marks) < most:
            marks += char
            yield char


# --- Search ---


def clean_query(query: QueryDict, name: str) -> str:
    """Return the search text of the parameter `name`."""
    return clean_line(query.get(name, "")[: 2 * QUERY_MAX_LENGTH])[:QUERY_MAX_LENGTH]


def words_contained(text: str, *fields: str) -> Q:
    """Return the condition that each word of the text is in one of the fields, in any order.

    The fields hold folded text, so that SQLite and PostgreSQL find the same. An empty text matches everything.
    """
    found = Q()
    for word in fold(text).split()[:QUERY_MAX_WORDS]:
        in_a_field = Q()
        for field in fields:
            in_a_field |= Q(**{f"{field}__contains": word})
        found &= in_a_field
    return found
