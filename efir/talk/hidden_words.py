"""Find the words that a webinar hides, however they are spelt.

Before they are compared, ё is е, marks on letters are dropped, letters of another alphabet and digits stand for the
letters that they look like, and a repeated letter counts once. Letters with signs or spaces between them are one word.
A word is found with the endings of Russian declension, but not inside of another one: «рак» is not in «ракета».
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from typing import TypeAlias
from unicodedata import combining, normalize

# Each sign, and the letters that it is written for.
_LOOK_ALIKES = {
    "a": "а", "b": "вб", "c": "с", "d": "д", "e": "е", "f": "ф", "g": "г", "h": "нх", "i": "и", "j": "й", "k": "к",
    "l": "л", "m": "м", "n": "нп", "o": "о", "p": "рп", "r": "рг", "s": "с", "t": "т", "u": "уи", "v": "в", "w": "ш",
    "x": "х", "y": "уй", "z": "з", "0": "о", "1": "ил", "3": "зе", "4": "ча", "5": "с", "6": "б", "7": "т", "8": "в",
    "9": "д", "@": "а", "$": "с", "!": "и", "|": "л", "€": "е", "і": "и", "ї": "и", "ґ": "г", "є": "е",
    "α": "а", "ο": "о", "ρ": "р", "ε": "е", "κ": "к", "τ": "т", "υ": "у", "χ": "х", "ν": "н",
}  # fmt: skip
# A sign in the middle of a word that stands for any letter: «к*зино».
_ANY = "*"
_SIGNS = re.escape("".join(sign for sign in _LOOK_ALIKES if not sign.isalnum()) + _ANY)
_BETWEEN = re.compile(rf"[^\w{_SIGNS}]+|_+")
_EDGES = re.compile(rf"^[\W_]+(?=\w)|[{_SIGNS}]+$")
# Endings of nouns and adjectives; the final vowel of a hidden word makes room for them.
_ENDINGS = (
    "а у ы и е о я ю ь ой ей ом ем ам ям ов ев ах ях ами ями ою ею ий ый ая яя ое ее ые ие ого его ому ему ым им ых их "
    "ую юю"
)
_FINAL = frozenset("аеиоуыэюяйь")
# A shorter stem would be found in too many other words.
_MIN_STEM = 4

_Letters: TypeAlias = tuple[frozenset[str], ...]
# The words of a phrase; of each its letters, and its stem if it has one.
_Phrase: TypeAlias = tuple[tuple[_Letters, ...], ...]


def contains_hidden_word(text: str, words: str) -> bool:
    """Return whether the text has one of the hidden words or phrases, one in a line of `words`."""
    phrases = _read(words)
    if not phrases:
        return False
    sequences = [*_sequences(text)]
    return any(_has_phrase(phrase, tokens) for phrase in phrases for tokens in sequences)


@lru_cache(maxsize=100)
def _read(words: str) -> tuple[_Phrase, ...]:
    lines = (
        [_without_repeats(token) for token in _BETWEEN.sub(" ", _fold(line)).split()]
        for line in words.splitlines()
    )
    return tuple(tuple(_forms(token) for token in line) for line in lines if line)


def _forms(word: str) -> tuple[_Letters, ...]:
    letters = tuple(map(_meanings, word))
    has_stem = len(word) > _MIN_STEM and not _meanings(word[-1]).isdisjoint(_FINAL)
    return (letters, letters[:-1]) if has_stem else (letters,)


def _fold(text: str) -> str:
    """Return the text in lower case, without marks: ё as е and й as и."""
    folded = normalize("NFKC", text).casefold()
    return "".join(sign for sign in normalize("NFD", folded) if not combining(sign))


def _without_repeats(word: str) -> str:
    return "".join(sign for sign, _ in groupby(word))


@lru_cache(maxsize=2000)
def _meanings(sign: str) -> frozenset[str]:
    """Return the letters for which this sign may stand."""
    return frozenset(_fold(_LOOK_ALIKES.get(sign, sign))) | {sign}


def _sequences(text: str) -> Iterator[list[str]]:
    """Yield the words of the text: as they stand, in pieces at signs, and with spaced-out letters put together."""
    raw = [_EDGES.sub("", token) for token in _fold(text).split()]
    whole = [_BETWEEN.sub("", token) for token in raw if token]
    yield whole
    pieces = [_EDGES.sub("", piece) for token in raw for piece in _BETWEEN.split(token) if piece]
    if pieces != whole:
        yield pieces
    yield list(_spaced_out(whole))


def _spaced_out(tokens: list[str]) -> Iterator[str]:
    """Yield what runs of single letters spell. One piece of a run may be longer: «к а з и но»."""
    singles = [len(_without_repeats(token)) == 1 for token in tokens]
    for start in range(len(tokens)):
        if start and singles[start - 1] and singles[start]:
            continue  # in the middle of a run
        end, longer = start, 0
        while end < len(tokens) and longer + (not singles[end]) <= 1:
            longer += not singles[end]
            end += 1
            if end - start >= 3:
                yield "".join(tokens[start:end])
    # A run may begin after a word of one letter that does not belong to it.
    for start in range(1, len(tokens)):
        if singles[start - 1] and singles[start]:
            end = start
            while end < len(tokens) and singles[end]:
                end += 1
            if end - start >= 3:
                yield "".join(tokens[start:end])


def _has_phrase(phrase: _Phrase, tokens: list[str]) -> bool:
    most = len(tokens) - len(phrase) + 1
    return any(
        all(_is_word(forms, tokens[start + index]) for index, forms in enumerate(phrase))
        for start in range(most)
    )


def _is_word(forms: tuple[_Letters, ...], token: str) -> bool:
    return any(_begins_with(letters, token, is_stem=index > 0) for index, letters in enumerate(forms))


def _begins_with(letters: _Letters, token: str, *, is_stem: bool) -> bool:
    """Return whether the token is the word with an ending; a sign that repeats a letter is skipped."""
    reached = {0}  # how many letters may have been read
    for position, sign in enumerate(token):
        meanings = _meanings(sign)
        following = set()
        for count in reached:
            if count < len(letters) and (sign == _ANY or not meanings.isdisjoint(letters[count])):
                following.add(count + 1)
            if count and not meanings.isdisjoint(letters[count - 1]):
                following.add(count)
        reached = following
        if not reached:
            return False
        if len(letters) in reached and _is_ending(token[position + 1 :], is_stem=is_stem):
            return True
    return False


def _is_ending(rest: str, *, is_stem: bool) -> bool:
    if not rest:
        return not is_stem
    rest = _without_repeats("".join(_LOOK_ALIKES.get(sign, sign)[0] for sign in rest))
    return rest in _FOLDED_ENDINGS


_FOLDED_ENDINGS = frozenset(_without_repeats(_fold(ending)) for ending in _ENDINGS.split())
