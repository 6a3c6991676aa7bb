"""Find a webinar's hidden words in any spelling.

Before they are compared, ё is е, marks on letters are dropped, letters of another alphabet and digits stand for the
letters that they look like, and a repeated letter counts once. Letters with signs or spaces between them are one word.
A word is found with the endings of Russian declension, but not inside of another one: «рак» is not in «ракета».
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, groupby
from typing import NamedTuple, TypeAlias
from unicodedata import combining, normalize

# Each character, and the letters that it may stand for.
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

# Characters in a row of spaced-out letters that are compared with a word: more than any word has.
_LONGEST_SPELLED = 60

_Letters: TypeAlias = tuple[frozenset[str], ...]
# The letters of a word, and those of its stem if it has one.
_Forms: TypeAlias = tuple[_Letters, ...]


class _Phrase(NamedTuple):
    """A hidden phrase: its words, and all of them as one word, whose letters may stand one by one."""

    words: tuple[_Forms, ...]
    together: _Forms


# By each letter with which a phrase may begin.
_Phrases: TypeAlias = dict[str, list[_Phrase]]


def contains_hidden_word(text: str, words: str) -> bool:
    """Return whether the text has one of the hidden words or phrases, one in a line of `words`."""
    phrases = _read(words)
    if not phrases:
        return False
    whole, pieces = _tokens(text)
    return (
        _have_phrase(whole, phrases)
        or (pieces != whole and _have_phrase(pieces, phrases))
        or any(
            _begins_with_word(phrase.together, signs, ends)
            for signs, ends in _spelled_out(whole)
            for phrase in _candidates(phrases, signs[0])
        )
    )


@lru_cache(maxsize=100)
def _read(words: str) -> _Phrases:
    lines = (_BETWEEN.sub(" ", _fold(line)).split() for line in words.splitlines())
    by_letter = defaultdict(list)
    for line in filter(None, lines):
        phrase = _Phrase(tuple(map(_forms, line)), _forms("".join(line)))
        for letter in phrase.together[0][0]:
            by_letter[letter].append(phrase)
    return dict(by_letter)


def _candidates(phrases: _Phrases, sign: str) -> Iterator[_Phrase]:
    """Yield the phrases that may begin with this sign, some of them twice."""
    return chain.from_iterable(
        phrases.values() if sign == _ANY else (phrases.get(letter, ()) for letter in _meanings(sign))
    )


def _forms(word: str) -> _Forms:
    word = _without_repeats(word)
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


def _tokens(text: str) -> tuple[list[str], list[str]]:
    """Return the words of the text as they stand, and in pieces at the signs within them."""
    raw = [_EDGES.sub("", token) for token in _fold(text).split()]
    whole = (_BETWEEN.sub("", token) for token in raw)
    pieces = (_EDGES.sub("", piece) for token in raw for piece in _BETWEEN.split(token))
    return [token for token in whole if token], [piece for piece in pieces if piece]


def _spelled_out(tokens: list[str]) -> Iterator[tuple[str, list[int]]]:
    """Yield what letters that stand one by one spell from each of them on, and where a word may end there.

    One of the pieces may be longer: «к а з и но».
    """
    parts = [_without_repeats(token) for token in tokens]
    # A row of one letter, in whatever alphabets, is one letter.
    parts = [next(same) for _, same in groupby(parts, lambda part: _LOOK_ALIKES.get(part, part))]
    for start in range(len(parts) - 2):
        signs, ends, longer = "", [], 0
        for position in range(start, len(parts)):
            longer += len(parts[position]) > 1
            if longer > 1 or len(signs) > _LONGEST_SPELLED:
                break
            signs += parts[position]
            if position >= start + 2:
                ends.append(len(signs))
        if ends:
            yield signs, ends


def _have_phrase(tokens: list[str], phrases: _Phrases) -> bool:
    return any(
        len(tokens) - start >= len(phrase.words)
        and all(
            _begins_with_word(forms, token := tokens[start + index], [len(token)])
            for index, forms in enumerate(phrase.words)
        )
        for start, first in enumerate(tokens)
        for phrase in _candidates(phrases, first[0])
    )


def _begins_with_word(forms: _Forms, signs: str, ends: list[int]) -> bool:
    """Return whether the signs are the word with an ending, up to one of `ends`."""
    is_long_enough = len(signs) >= len(forms[-1])
    return is_long_enough and any(
        _begins_with(letters, signs, ends, is_stem=index > 0) for index, letters in enumerate(forms)
    )


def _begins_with(letters: _Letters, signs: str, ends: list[int], *, is_stem: bool) -> bool:
    """Follow the letters; a sign that repeats one is skipped."""
    reached = {0}  # how many letters may have been read
    for position, sign in enumerate(signs, start=1):
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
        if len(letters) in reached and any(
            end >= position and _is_ending(signs[position:end], is_stem=is_stem) for end in ends
        ):
            return True
    return False


def _is_ending(rest: str, *, is_stem: bool) -> bool:
    if not rest:
        return not is_stem
    rest = _without_repeats("".join(_LOOK_ALIKES.get(sign, sign)[0] for sign in rest))
    return rest in _FOLDED_ENDINGS


_FOLDED_ENDINGS = frozenset(_without_repeats(_fold(ending)) for ending in _ENDINGS.split())
