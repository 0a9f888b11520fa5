"""How people are told where to go: the address, and for a phone a code that its camera reads."""

from __future__ import annotations

from io import StringIO

from vitnas import extras


def invitation(url: str, lan: bool, purpose: str) -> str:
    """Lines for a terminal.

    Args:
        url: with its token.
        lan: whether a phone may go there, which is spared the typing.
        purpose: what happens there: "measure", "try the network".
    """
    if not lan:
        return f"open this address in a browser of this machine to {purpose}:\n{url}"
    lines = [f"open this address on a phone, tablet or computer of this network to {purpose}:", url]
    if extras.installed("segno"):
        drawn = StringIO()
        extras.load("segno").make(url, error="l", micro=False).terminal(drawn, compact=True)
        lines.append(drawn.getvalue().rstrip("\n"))
    else:
        lines.append("(`pip install 'vitnas[browser]'` adds a QR code here)")
    return "\n".join(lines)
