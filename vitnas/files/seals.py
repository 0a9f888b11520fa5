"""Seals: a hash inside a file of all else that it holds, so that a bit that flips on a disk never becomes a figure.

JSON carries its seal as one more key, hashed by content: the file may be indented anew. Parquet and safetensors carry it
in their metadata, hashed by bytes. What has no seal, such as files of earlier versions and of other programs, is read as it
is. A seal is against accidents: whoever changes a file on purpose can make a new one.

This file needs the standard library alone, and travels in bundles beside the runner.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

KEY = "seal"
BLANK = "vitnas-sha256:" + "0" * 64
"""What `seal_bytes` replaces; it may stand anywhere in a file, once."""
_SEAL = re.compile(rb"vitnas-sha256:([0-9a-f]{64})")


def sealed(data: Mapping[str, Any]) -> dict[str, Any]:
    """The same with its seal."""
    return {**data, KEY: _seal_of(json.loads(json.dumps(data)))}


def holds(data: Mapping[str, Any]) -> bool:
    """Whether data as JSON gives them are what was sealed; those without a seal are taken as they are."""
    return KEY not in data or data[KEY] == _seal_of(data)


def _seal_of(data: Mapping[str, Any]) -> str:
    text = json.dumps({k: v for k, v in data.items() if k != KEY}, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def seal_bytes(content: bytes) -> bytes:
    """The same with a seal in place of the one `BLANK`."""
    assert content.count(BLANK.encode()) == 1, "there must be one place for the seal"
    return content.replace(BLANK.encode(), f"vitnas-sha256:{hashlib.sha256(content).hexdigest()}".encode())


def bytes_hold(content: Any) -> bool:
    """As `holds`, of the bytes of a file, which may be mapped into memory."""
    found = list(_SEAL.finditer(content))
    return not found or any(_hash_without(content, *seal.span(1)) == seal[1].decode() for seal in found)


def _hash_without(content: Any, start: int, stop: int) -> str:
    whole = memoryview(content)
    digest = hashlib.sha256(whole[:start])
    digest.update(b"0" * (stop - start))
    digest.update(whole[stop:])
    return digest.hexdigest()
