"""Hooks of MkDocs: README as the first page, and links that leave docs/ changed to what the site has.

MkDocs calls these functions by their names; see mkdocs.yml.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGES = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
"""Pages beside docs/ and their names in the site."""
LINK = re.compile(r"(?<!`)(!?)\[([^\]\n]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")

REMOTE = re.compile(
    r"""<(?:script|img|iframe|source|link(?![^>]*rel=.?canonical))\b[^>]*\b(?:src|href)=["']?(?:https?:)?//[^\s>]*"""
)


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages that lie beside docs/."""
    from mkdocs.structure.files import File  # of the environment of `make docs`

    for source, name in PAGES.items():
        files.append(File.generated(config, name, content=(ROOT / source).read_text()))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Rewrites the links of a page."""
    sources = {name: source for source, name in PAGES.items()}
    own = page.file.src_uri
    place = ROOT / sources[own] if own in sources else ROOT / "docs" / own
    return LINK.sub(lambda link: _rewritten(link, place, own), markdown)


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Refuses a page that would fetch something when it is read."""
    remote = REMOTE.search(output)
    if remote is not None:
        raise SystemExit(f"{page.file.src_uri}: '{remote[0]}' is fetched from elsewhere; the site must need no network")
    return output


def _rewritten(link: re.Match[str], place: Path, own: str) -> str:
    picture, text, target, anchor = link[1], link[2], link[3], link[4] or ""
    if "://" in target or target.startswith("mailto:"):
        return link[0]
    found = (place.parent / target).resolve()
    if str(found.relative_to(ROOT)) in PAGES:
        name = PAGES[str(found.relative_to(ROOT))]
    elif found.is_relative_to(ROOT / "docs") and found.suffix in {".md", ".png", ".svg"}:
        name = str(found.relative_to(ROOT / "docs"))
    else:  # a file of the repository that is no page
        path = str(found.relative_to(ROOT))
        return f"`{path}`" if text.strip("`") in (path, found.name) else f"{text} (`{path}`)"
    up = "../" * own.count("/")
    return f"{picture}[{text}]({up}{name}{anchor})"
