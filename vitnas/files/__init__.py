"""Reading and writing files: whole or not at all, through no link, with a seal that damage breaks, told when a disk is full."""

from __future__ import annotations

from vitnas.files.disk import describe_trouble, disk_trouble, disk_troubles, writing
from vitnas.files.folders import new_folder, tidy
from vitnas.files.lists import Ours, as_listed, foreign, listed, refuse_foreign, remove_folder
from vitnas.files.locks import is_locked, only_here
from vitnas.files.parquet import read_parquet, write_parquet
from vitnas.files.seals import BLANK, KEY, holds, seal_bytes, sealed
from vitnas.files.whole import (
    check_seal,
    open_append,
    read_json,
    read_line,
    read_lines,
    refuse_full,
    refuse_link,
    refuse_other,
    sealed_line,
    sha256,
    unsealed,
    without_seal,
    write_bytes,
    write_json,
)

__all__ = [
    "BLANK",
    "KEY",
    "Ours",
    "as_listed",
    "check_seal",
    "describe_trouble",
    "disk_trouble",
    "disk_troubles",
    "foreign",
    "holds",
    "is_locked",
    "listed",
    "new_folder",
    "only_here",
    "open_append",
    "read_json",
    "read_line",
    "read_lines",
    "read_parquet",
    "refuse_foreign",
    "refuse_full",
    "refuse_link",
    "refuse_other",
    "remove_folder",
    "seal_bytes",
    "sealed",
    "sealed_line",
    "sha256",
    "tidy",
    "unsealed",
    "without_seal",
    "write_bytes",
    "write_json",
    "write_parquet",
    "writing",
]
