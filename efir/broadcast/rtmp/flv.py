"""FLV as a byte stream: the tags carry the payloads of RTMP's audio and video messages as they are.

After Adobe's Video File Format Specification 10.1, annex E. Accepted are H.264 (AVC) and AAC only.
"""

from __future__ import annotations

import struct

AUDIO_TAG, VIDEO_TAG = 8, 9
# The file header (signature, version 1, sound and picture, its own length) and the size of the tag before the first.
HEADER = b"FLV\x01\x05" + struct.pack(">II", 9, 0)

_AVC, _AAC = 7, 10
_KEY_FRAME = 1
_SEQUENCE_HEADER = 0


class UnsupportedCodec(Exception):
    """The encoder sends something other than H.264 and AAC."""


def tag(type_: int, timestamp: int, payload: bytes) -> bytes:
    """Return one tag with the size that follows it; `timestamp` in milliseconds."""
    time = (timestamp & 0xFFFFFF).to_bytes(3, "big") + bytes([timestamp >> 24 & 0xFF])
    head = bytes([type_]) + len(payload).to_bytes(3, "big") + time + b"\0\0\0"
    return head + payload + struct.pack(">I", len(head) + len(payload))


def check_codec(type_: int, payload: bytes) -> None:
    """Raise UnsupportedCodec unless the payload is H.264 or AAC."""
    if type_ == VIDEO_TAG:
        # Bit 7 marks Enhanced RTMP, which carries HEVC, AV1 and VP9.
        if payload[0] & 0x80 or payload[0] & 0x0F != _AVC:
            raise UnsupportedCodec("the video is not H.264")
    elif payload[0] >> 4 != _AAC:
        raise UnsupportedCodec("the sound is not AAC")


def is_sequence_header(payload: bytes) -> bool:
    """Return whether an H.264 or AAC payload holds the decoder's parameters instead of media."""
    return len(payload) > 1 and payload[1] == _SEQUENCE_HEADER


def is_key_frame(type_: int, payload: bytes) -> bool:
    """Return whether a video payload begins with a key frame."""
    return type_ == VIDEO_TAG and payload[0] >> 4 == _KEY_FRAME
