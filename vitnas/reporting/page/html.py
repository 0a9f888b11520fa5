"""Reports: pages of HTML that hold their data, style and script, and ask for nothing from anywhere."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from vitnas.errors import VitnasError
from vitnas.files import refuse_other, write_bytes
from vitnas.reporting.page.page_data import plain


@dataclass(frozen=True)
class Layout:
    """What a page is made of, besides its data and the style that all share.

    Attributes:
        body: file of its elements.
        scripts: files that draw them, in order.
    """

    body: str
    scripts: tuple[str, ...]


SEARCH = Layout("search.html", ("figure.js", "scatter.js", "archs.js", "sections.js", "page.js"))
"""What was found below a run or a search folder."""
AUTOMATION = Layout("automation.html", ("figure.js", "sections.js", "automation.js"))
"""What an automatic search came to."""


def render_page(data: dict[str, Any], layout: Layout = SEARCH) -> str:
    """The whole page. Its policy lets the browser run this very script and nothing else, whatever names hold."""
    folder = resources.files("vitnas.reporting") / "page"
    script = "\n".join((folder / name).read_text(encoding="utf-8") for name in layout.scripts)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    filled = {
        "TITLE": html.escape(f"{data['title']} - vitnas"),
        "POLICY": f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; connect-src "
        + ("'self'" if data["live"] else "'none'")
        + "; img-src data:; base-uri 'none'; form-action 'none'",
        "BODY": (folder / layout.body).read_text(encoding="utf-8"),
        "STYLE": (folder / "page.css").read_text(encoding="utf-8"),
        "SCRIPT": script,
        "DATA": embed(data),
    }
    page = (folder / "page.html").read_text(encoding="utf-8")
    # One pass, so that nothing inside a filled slot is taken for a slot.
    parts = page.split("%%")
    return "".join(part if i % 2 == 0 else filled[part] for i, part in enumerate(parts))


def embed(data: Any) -> str:
    """JSON that cannot end the element it stands in."""
    text = json.dumps(plain(data), separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def write_page(data: dict[str, Any], path: Path, layout: Layout = SEARCH) -> None:
    if path.suffix.lower() not in (".html", ".htm"):
        raise VitnasError(f"cannot write the report '{path}': its name must end in .html")
    refuse_other(path, b"vitnas", "page")
    write_bytes(path, render_page(data, layout).encode())
