"""MurmurHash3, 32 bits, as scikit-learn's hashing vectorizers use it.

Austin Appleby, MurmurHash3_x86_32 (https://github.com/aappleby/smhasher), public domain.
"""

from __future__ import annotations

import functools

_MASK = 0xFFFFFFFF
_C1, _C2 = 0xCC9E2D51, 0x1B873593


def murmurhash3(key: bytes) -> int:
    """The signed 32-bit hash of `key` with seed 0."""
    length = len(key)
    hashed = 0
    whole = length & ~3
    for start in range(0, whole, 4):
        block = int.from_bytes(key[start : start + 4], "little") * _C1 & _MASK
        block = (block << 15 | block >> 17) * _C2 & _MASK
        hashed ^= block
        hashed = (hashed << 13 | hashed >> 19) & _MASK
        hashed = (hashed * 5 + 0xE6546B64) & _MASK
    if length & 3:
        tail = int.from_bytes(key[whole:], "little") * _C1 & _MASK
        hashed ^= (tail << 15 | tail >> 17) * _C2 & _MASK
    hashed ^= length
    hashed = (hashed ^ hashed >> 16) * 0x85EBCA6B & _MASK
    hashed = (hashed ^ hashed >> 13) * 0xC2B2AE35 & _MASK
    hashed ^= hashed >> 16
    return hashed - (1 << 32) if hashed >> 31 else hashed


@functools.lru_cache(maxsize=1 << 14)
def column_and_sign(key: str | bytes, n_features: int) -> tuple[int, float]:
    """The column that a feature's name falls into, and the sign of its hash.

    Raises UnicodeEncodeError for a lone surrogate.
    """
    hashed = murmurhash3(key.encode() if isinstance(key, str) else key)
    return abs(hashed) % n_features, 1.0 if hashed >= 0 else -1.0
