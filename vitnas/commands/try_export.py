"""`vitnas try`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitnas.interruption import going_on


def try_(
    folder: Annotated[Path, typer.Argument(help="Folder of an export with format onnx.")],
    lan: Annotated[
        bool, typer.Option("--lan", help="Let any machine of the network that is told the address open the page.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the page; 0 takes any that is free.")] = 0,
) -> None:
    """Serve a page on which a browser classifies photographs with an exported network; Ctrl+C ends it.

    Example: vitnas try knee
    """
    from vitnas.deployment.trial import TryPage
    from vitnas.latency_lut.browser.address import invitation
    from vitnas.latency_lut.browser.onnxruntime_web import to_stderr

    with TryPage(folder, to_stderr, lan, port) as server:
        print(invitation(server.url, lan, "try the network"), flush=True)
        with going_on("photographs stayed in the browser, and nothing was written"):
            server.serve_forever()
