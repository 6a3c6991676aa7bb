"""Find a webinar's hidden words in any spelling.

Before they are compared, ё is е, marks on letters are dropped, letters of another alphabet and digits stand for the
letters that they look like, and a repeated letter counts once. Letters with signs or spaces between them are one word.
A word is found with the endings of Russian declension, but not inside of another one: «рак» is not in «ракета». The
vowel that nouns such as «список» lose before an ending may be missing there: «списка».
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
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
# The two letters that adjectives lose before another ending. Not -ие, which is mostly of nouns («обучение»).
_ADJECTIVES = ("ыи", "ои", "ая", "яя", "ое", "ее", "ые")
# Without -ий and -ее: each is one letter once a repeated one counts once, and «дороги» is not «дорогой».
_ADJECTIVE_ENDINGS = "ый ой ая яя ое ые ие ого его ому ему ым им ых их ыми ими ом ем ую юю"
# Nouns that lose the vowel before their last letter, and their other endings.
_FLEETING = ("ок", "ек", "ец")
_FLEETING_ENDINGS = "а у е ом ем и ы ов ев ам ами ах"
# A shorter stem would be found in too many other words.
_MIN_STEM = 4

# Characters in a row of spaced-out letters that are compared with a word: more than any word has.
_LONGEST_SPELLED = 60

_Letters: TypeAlias = tuple[frozenset[str], ...]


class _Form(NamedTuple):
    """The letters of a word or of a stem, and what may follow them."""

    letters: _Letters
    endings: frozenset[str]


# The word, and its stems if it has any; the shortest is the last.
_Forms: TypeAlias = tuple[_Form, ...]


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
        for letter in phrase.together[0].letters[0]:
            by_letter[letter].append(phrase)
    return dict(by_letter)


def _candidates(phrases: _Phrases, sign: str) -> Iterator[_Phrase]:
    """Yield the phrases that may begin with this sign, some of them twice."""
    return chain.from_iterable(
        phrases.values() if sign == _ANY else (phrases.get(letter, ()) for letter in _meanings(sign))
    )


def _forms(word: str) -> _Forms:
    letters = tuple(map(_meanings, _without_repeats(word)))
    forms = [_Form(letters, _AFTER_WORD)]
    if _ends_with(letters, _FLEETING):
        forms.append(_Form((*letters[:-2], letters[-1]), _AFTER_FLEETING))
    elif not letters[-1].isdisjoint(_FINAL):
        forms.append(_Form(letters[:-1], _AFTER_STEM))
        if _ends_with(letters, _ADJECTIVES):
            forms.append(_Form(letters[:-2], _AFTER_ADJECTIVE))
    return tuple(form for form in forms if form is forms[0] or len(form.letters) >= _MIN_STEM)


def _ends_with(letters: _Letters, endings: Iterable[str]) -> bool:
    """Return whether the last letters may be one of these endings, which have two letters each."""
    return len(letters) > 1 and any(each[0] in letters[-2] and each[1] in letters[-1] for each in endings)


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
    is_long_enough = len(signs) >= len(forms[-1].letters)
    return is_long_enough and any(_begins_with(form, signs, ends) for form in forms)


def _begins_with(form: _Form, signs: str, ends: list[int]) -> bool:
    """Follow the letters; a sign that repeats one is skipped."""
    letters = form.letters
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
            end >= position and _folded_ending(signs[position:end]) in form.endings for end in ends
        ):
            return True
    return False


def _folded_ending(rest: str) -> str:
    return _without_repeats("".join(_LOOK_ALIKES.get(sign, sign)[0] for sign in rest))


def _folded(endings: str) -> frozenset[str]:
    return frozenset(_without_repeats(_fold(ending)) for ending in endings.split())


_AFTER_STEM = _folded(_ENDINGS)
_AFTER_WORD = _AFTER_STEM | {""}
_AFTER_ADJECTIVE = _folded(_ADJECTIVE_ENDINGS)
_AFTER_FLEETING = _folded(_FLEETING_ENDINGS)
