"""AMF 0, in which RTMP writes its commands: numbers, booleans, strings, objects, null."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import TypeAlias

Value: TypeAlias = "float | bool | str | Mapping[str, Value] | list[Value] | None"


class Marker(IntEnum):
    """The type of a value, in the byte before it."""

    NUMBER = 0
    BOOLEAN = 1
    STRING = 2
    OBJECT = 3
    NULL = 5
    UNDEFINED = 6
    ECMA_ARRAY = 8
    OBJECT_END = 9
    STRICT_ARRAY = 10
    DATE = 11
    LONG_STRING = 12


# Commands of encoders nest an object or two. The limit keeps a forged message from exhausting the stack.
MAX_DEPTH = 8


class AmfError(ValueError):
    """The bytes are not AMF 0, or use a type that no encoder sends."""


def encode(values: Iterable[Value]) -> bytes:
    """Return these values one after the other. Raises AmfError for a string of 64 KiB or more."""
    return b"".join(map(_encode, values))


def decode(data: bytes) -> list[Value]:
    """Return the values in `data`. Raises AmfError."""
    reader, values = _Reader(data), []
    while reader.position < len(data):
        values.append(reader.value(0))
    return values


def _encode(value: Value) -> bytes:
    if value is None:
        return bytes([Marker.NULL])
    if isinstance(value, bool):
        return bytes([Marker.BOOLEAN, value])
    if isinstance(value, int | float):
        return struct.pack(">Bd", Marker.NUMBER, value)
    if isinstance(value, str):
        return bytes([Marker.STRING]) + _text(value)
    if isinstance(value, Mapping):
        fields = b"".join(_text(name) + _encode(item) for name, item in value.items())
        return bytes([Marker.OBJECT]) + fields + bytes([0, 0, Marker.OBJECT_END])
    raise AmfError(f"cannot encode {type(value).__name__}")


def _text(text: str) -> bytes:
    data = text.encode()
    if len(data) > 0xFFFF:
        raise AmfError("the string is too long")
    return struct.pack(">H", len(data)) + data


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def value(self, depth: int) -> Value:
        if depth > MAX_DEPTH:
            raise AmfError("nested too deeply")
        value: Value = None
        match self._take(1)[0]:
            case Marker.NUMBER:
                value = self._number()
            case Marker.BOOLEAN:
                value = self._take(1) != b"\0"
            case Marker.STRING:
                value = self._string(2)
            case Marker.LONG_STRING:
                value = self._string(4)
            case Marker.NULL | Marker.UNDEFINED:
                pass
            case Marker.OBJECT:
                value = self._fields(depth)
            case Marker.ECMA_ARRAY:
                self._take(4)  # the number of fields, which is a hint only
                value = self._fields(depth)
            case Marker.STRICT_ARRAY:
                value = [self.value(depth + 1) for _ in range(self._count())]
            case Marker.DATE:
                value = self._number()
                self._take(2)  # the time zone, which is reserved
            case unknown:
                raise AmfError(f"unknown type {unknown}")
        return value

    def _fields(self, depth: int) -> dict[str, Value]:
        fields: dict[str, Value] = {}
        while name := self._string(2):
            fields[name] = self.value(depth + 1)
        if self._take(1)[0] != Marker.OBJECT_END:
            raise AmfError("an object has no end")
        return fields

    def _number(self) -> float:
        number: float = struct.unpack(">d", self._take(8))[0]
        return number

    def _count(self) -> int:
        count = int.from_bytes(self._take(4), "big")
        if count > len(self._data):  # every value takes a byte at least
            raise AmfError("an array is longer than the message")
        return count

    def _string(self, length_bytes: int) -> str:
        text = self._take(int.from_bytes(self._take(length_bytes), "big"))
        return text.decode("utf-8", "replace")

    def _take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self._data):
            raise AmfError("the message ends too early")
        taken, self.position = self._data[self.position : end], end
        return taken
