"""What a field declares is what its values are held against, wherever they come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from msgspec import Meta

from vitnas.errors import SettingsError
from vitnas.settings import Count, Kind, Settings, Share, about, declared, make_settings


@dataclass(frozen=True)
class Oven(Settings):
    """Settings inside others."""

    table = "bake.oven"

    heat: Annotated[float, about("How hot.", gt=0, le=300)] = 180.0


@dataclass(frozen=True)
class Baking(Settings):
    """Settings with every kind of bound."""

    table = "bake"

    loaves: Annotated[Count, about("How many.")] = 1
    minutes: Annotated[Count | None, about("How long.")] = None
    salt: Annotated[Share, about("Share of the dough.")] = 0.02
    flour: Literal["rye", "wheat"] = "rye"
    sizes: tuple[Annotated[int, Meta(ge=100)], ...] = ()
    extra: dict[str, Share] = field(default_factory=dict)
    oven: Oven = field(default_factory=Oven)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.demand("salt", self.flour == "wheat" or self.salt > 0, "more than 0 in rye bread")


REFUSED = [
    ({"loaves": 0}, "[bake] loaves must be at least 1; got 0, change it"),
    ({"loaves": 1.5}, "[bake] loaves must be a whole number; got 1.5, change it"),
    ({"loaves": True}, "[bake] loaves must be a whole number; got True, change it"),
    ({"minutes": 0}, "[bake] minutes must be at least 1, or left out; got 0, change it"),
    ({"salt": 1.0}, "[bake] salt must be at least 0 and less than 1; got 1.0, change it"),
    ({"salt": float("nan")}, "[bake] salt must be at least 0 and less than 1; got nan, change it"),
    ({"salt": "much"}, "[bake] salt must be a number; got 'much', change it"),
    ({"flour": "ryee"}, "[bake] flour cannot be 'ryee'; have [rye, wheat]. Did you mean 'rye'?"),
    ({"sizes": (500, 50)}, "[bake] sizes[1] must be at least 100; got 50, change it"),
    ({"extra": {"seeds": 2.0}}, "[bake] extra.seeds must be at least 0 and less than 1; got 2.0, change it"),
    ({"salt": 0.0}, "[bake] salt must be more than 0 in rye bread; got 0.0, change it"),
]


@pytest.mark.parametrize(("values", "message"), REFUSED)
def test_what_breaks_a_bound_is_refused_alike_in_python_and_in_a_file(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as made:
        Baking(**values)
    with pytest.raises(SettingsError) as read:
        make_settings(Baking, values, "bread.toml, [bake]")
    assert str(made.value) == message
    assert str(read.value) == f"bread.toml, {message}"


def test_a_table_inside_is_named_with_the_file() -> None:
    with pytest.raises(SettingsError) as refused:
        make_settings(Baking, {"oven": {"heat": 301}}, "bread.toml, [bake]")
    assert str(refused.value) == "bread.toml, [bake.oven] heat must be more than 0 and at most 300; got 301, change it"


def test_numbers_of_numpy_and_whole_numbers_for_fractions_are_numbers() -> None:
    assert Baking(loaves=np.int64(3), oven=Oven(heat=200)).loaves == 3  # type: ignore[arg-type]
    assert make_settings(Baking, {"sizes": [500], "oven": {"heat": 200}}, "here") == Baking(
        sizes=(500,), oven=Oven(200.0)
    )


def test_a_declaration_is_read_from_its_annotation() -> None:
    kinds = declared(Baking)
    assert kinds["minutes"] == Kind(int, optional=True, bounds=(("ge", 1),), about="How long.")
    assert [kind.rule for kind in kinds.values()] == ["at least 1", "at least 1", "at least 0 and less than 1"] + [
        ""
    ] * 4
    assert kinds["flour"].choices == ("rye", "wheat")
    assert kinds["oven"].base is Oven
    assert Kind.of(Annotated[float, Meta(ge=0, le=10)]).rule == "from 0 to 10"
