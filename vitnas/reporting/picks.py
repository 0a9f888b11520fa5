"""What the picks of a front give up, and which of its points cannot be told apart, in words."""

from __future__ import annotations

from typing import Any

from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.pareto.picks import counted
from vitnas.nas.pareto.point import Point
from vitnas.reporting.plots.scale import scale_of
from vitnas.search_spaces.answers import metrics, word_of
from vitnas.supernets.judgement import ACCURACY

BLURRED = " (within the error)"


def trade_text(front: ParetoFront, point: Point) -> str:
    """What a point gives up against the most accurate one, with the error of that, and what it saves."""
    trade = front.trade(point)
    if trade is None:
        word = "highest" if front.worth.direction == "maximise" else "lowest"
        name = front.worth.name
        of = word_of(name) if name in metrics() and name != ACCURACY else scale_of(name).title.lower()
        return f"the {word} {of} of the front"
    worth = scale_of(trade.worth)
    gap, error = trade.gives_up * worth.factor, trade.error * worth.factor
    points = trade.worth in metrics()
    digits = ".1f" if points else ".3g"
    unit = f"points of {word_of(trade.worth)}" if points else f"{worth.unit} of {worth.title.lower()}".strip()
    spread = f" ± {error:{digits}}" if error else ""
    text = f"gives up {gap:{digits}}{spread} {unit}{'' if trade.is_sure else BLURRED}"
    if trade.cost is None or not trade.saves:
        return f"{text} against {trade.against.arch.id}"
    word = "less" if trade.saves > 0 else "more"
    cost = scale_of(trade.cost).title.lower()
    blurred = "" if trade.saves_surely else BLURRED
    return f"{text} for {100 * abs(trade.saves):.2g} % {word} {cost}{blurred} than {trade.against.arch.id}"


def describe_picks(front: ParetoFront) -> dict[str, Any]:
    """The best and the knee with what they give up, why there is no knee, how many groups, and what has no error."""
    best, knee = front.best(), front.knee()
    return {
        "best": {"id": best.arch.id, "trade": trade_text(front, best)},
        "knee": {"id": knee.arch.id, "trade": trade_text(front, knee)} if knee is not None else None,
        "no_knee": front.why_no_knee(),
        "groups": len(front.groups()),
        "no_error": without_error(front),
    }


def without_error(front: ParetoFront) -> list[str]:
    """Objectives that are no exact counts and whose error is not known."""
    return [
        o.name
        for o in front.objectives
        if not any(p.errors.get(o.name) or p.provenance.get(o.name) == "counted" for p in front.points)
    ]


def pick_lines(picks: dict[str, Any], points: int) -> list[str]:
    """The same as lines for the terminal."""
    lines = [f"{points} points, {counted(picks['groups'])}"]
    if picks["groups"] < points:
        lines[0] += ": archs of one group differ by no more than their errors allow"
    if picks["no_error"]:
        names = ", ".join(picks["no_error"])
        lines.append(f"the error of {names} is not known, so figures are told apart wherever they differ")
    lines.append(f"best {picks['best']['id']}: {picks['best']['trade']}")
    knee = picks["knee"]
    lines.append(f"knee {knee['id']}: {knee['trade']}" if knee else f"no knee: {picks['no_knee']}")
    return lines


def chosen_text(front: ParetoFront, which: str, point: Point) -> str:
    """How a point was chosen and what it gives up, for the terminal and the model card."""
    worth = word_of(front.worth.name)
    best = f"the least costly arch whose {worth} cannot be told from the best"
    words = {"best": best, "most-accurate": f"the arch of the best {worth}", "knee": "the knee"}
    word = words.get(which, "the fastest arch" if which == "fastest" else "one arch")
    if which == "knee" and front.knee() is None:
        word = f"{best} (there is no knee: {front.why_no_knee()})"
    size = f"{len(front.points)} points in {counted(len(front.groups()))}"
    return f"{word}, on a front of {size}: {trade_text(front, point)}"
