"""Reading tar shards from anywhere: no size that a header claims is believed before the file bears it out."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from vitnas.errors import DataError
from vitnas.supernets.data.formats.folders import is_junk

LARGEST_LABEL = 1 << 20
"""Bytes of a .cls or .json file, and of what a header says about the next one."""
_ABOUT_THE_NEXT = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


class _Member(tarfile.TarInfo):
    """A header whose size leads neither backwards, where `tarfile` would walk for ever, nor into all of memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str | None, errors: str) -> _Member:
        found = super().frombuf(buf, encoding or "utf-8", errors)
        if found.size < 0 or (found.type in _ABOUT_THE_NEXT and found.size > LARGEST_LABEL):
            raise tarfile.ReadError(f"the header of '{found.name}' claims {found.size} bytes")
        return found


def members(shard: Path) -> Iterator[tarfile.TarInfo]:
    """The regular files of a shard, but for what operating systems pack with them."""
    size = shard.stat().st_size
    with tarfile.open(shard, "r:", tarinfo=_Member) as tar:
        for member in tar:
            plain = member.isreg() and not member.issparse()
            if member.size < 0 or (plain and member.size > size - member.offset_data):
                raise tarfile.ReadError(
                    f"'{member.name}' claims {member.size} bytes, and {size - member.offset_data} are left"
                )
            if plain and not any(is_junk(part) for part in member.name.split("/") if part.strip(".")):
                yield member
        with shard.open("rb") as raw:  # a damaged header ends a tar file for `tarfile` in silence
            raw.seek(tar.offset)
            if raw.read(tarfile.BLOCKSIZE).strip(b"\0"):
                raise tarfile.ReadError(f"the header at byte {tar.offset} is damaged")


def read_label(raw: BinaryIO, member: tarfile.TarInfo, shard: Path, keys: tuple[str, ...]) -> str | None:
    """What a .cls or .json file says; None if nothing."""
    where = f"tar shard '{shard}', '{member.name}'"
    if member.size > LARGEST_LABEL:
        raise DataError(
            f"{where}: a label of {member.size} bytes; it may have {LARGEST_LABEL} at most; write the class alone"
        )
    raw.seek(member.offset_data)
    try:
        text = raw.read(member.size).decode().strip()
        if member.name.lower().endswith("cls"):
            return text or None
        values: Any = json.loads(text)
    except RecursionError:
        raise DataError(f"{where}: JSON that is nested too deep to be read; write the class alone") from None
    except ValueError:
        return None
    found = [values[key] for key in keys if key in values] if isinstance(values, dict) else []
    return str(found[0]) if found and isinstance(found[0], str | int) else None
