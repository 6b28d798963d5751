"""Whether one packet of H.264 or HEVC holds together, without decoding it.

A packet is a row of units, each after its length. Three bytes 00 00 00 (or 01, 02) never stand
inside a unit: encoders escape them (ITU-T H.264, 7.4.1; H.265, 7.4.2). A block of zeros, which is
what a broken download leaves, is therefore always found; decoders get over some of them.
"""

from __future__ import annotations

_LENGTH_AT = {"h264": 4, "hevc": 21}
"""Byte of the codec's configuration record whose last two bits are the length's size less one."""
_FORBIDDEN = (b"\x00\x00\x00", b"\x00\x00\x01", b"\x00\x00\x02")
_FORBIDDEN_BIT = 0x80


def length_size(codec: str, configuration: bytes) -> int:
    """Return how many bytes a unit's length takes; 0 where packets are not built like that."""
    at = _LENGTH_AT.get(codec)
    # Version 1 marks the record of MP4, MOV and Matroska; a byte stream begins with 0.
    if at is None or len(configuration) <= at or configuration[0] != 1:
        return 0
    return (configuration[at] & 3) + 1


def holds_together(packet: bytes, size: int) -> bool:
    """Tell whether the packet is a row of whole, escaped units with lengths of `size` bytes."""
    at = 0
    while at + size < len(packet):
        start = at + size
        at = start + int.from_bytes(packet[at:start], "big")
        if at > len(packet) or packet[start] & _FORBIDDEN_BIT:
            return False
        if any(packet.find(mark, start, at) >= 0 for mark in _FORBIDDEN):
            return False
    return at == len(packet)
