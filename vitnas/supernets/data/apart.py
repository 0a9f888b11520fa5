"""No image may lie in two splits: what is learnt from would then judge."""

from __future__ import annotations

from itertools import combinations

from vitnas.errors import DataError
from vitnas.supernets.data.images import Images


def check_apart(where: str, *splits: Images) -> None:
    """Refuses splits that share a file, by a link, a hard link or one path twice.

    Files are compared, not what is in them: a copy under another name is not found out.
    """
    places = [split.places() for split in splits] if len(splits) > 1 else []
    for ours, theirs in combinations(places, 2):
        if shared := ours.keys() & theirs.keys():
            first = min(shared, key=lambda place: ours[place])
            raise DataError(
                f"{where}: two splits share {len(shared)} files, such as '{ours[first]}' and '{theirs[first]}', which are "
                f"one, by a link or as the same path; images that are learnt from cannot judge, so remove one of each"
            )
