"""Data sets: images with labels, split and normalised, by name or from where they lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from inspect import signature
from pathlib import Path

from vitnas.errors import DataError, UnknownNameError, suggest
from vitnas.registry import Registry
from vitnas.run import RunFolder
from vitnas.search_spaces.answers import CLASS
from vitnas.settings import make_settings
from vitnas.supernets.data.assemble import assemble
from vitnas.supernets.data.dataset import Dataset
from vitnas.supernets.data.formats import FORMATS, Format
from vitnas.supernets.data.formats.format import alike
from vitnas.supernets.data.images import Images, Pixels
from vitnas.supernets.data.loader import Loader
from vitnas.supernets.data.pictures import Files, Pictures
from vitnas.supernets.data.splits import Splits
from vitnas.supernets.data.stores import is_address, local_place
from vitnas.supernets.settings.data import DataSettings

DATASETS: Registry[Callable[..., Splits]] = Registry(
    "dataset",
    "vitnas.datasets",
    {
        "digits": "vitnas.supernets.data.digits:digits",
        "shapes": "vitnas.supernets.data.shapes.drawings:shapes",
    },
)
"""Data sets that have a name."""

PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".joblib")


def load_dataset(settings: DataSettings | str) -> Dataset:
    """The images that settings, or a bare name or path, speak of."""
    if isinstance(settings, str):
        settings = DataSettings(settings)
    found = _find(settings.name, settings)
    if settings.val is not None:
        found = replace(found, val=_judges(found, settings.val, settings, "validation"))
    if settings.test is not None:
        for place in (settings.name, settings.val):
            if place is not None and Path(place).resolve() == Path(settings.test).resolve():
                raise DataError(
                    f"the test images '{settings.test}' are those of '{place}', which are learnt from or choose; "
                    f"name others, or leave out test to keep a share"
                )
        found = replace(found, test=_judges(found, settings.test, settings, "test"))
    return assemble(found, settings, _short(settings.name))


def dataset_of(run: RunFolder) -> Dataset:
    """What a run was trained on."""
    return load_dataset(data_settings_of(run))


def data_settings_of(run: RunFolder) -> DataSettings:
    """Table [data] of a run; one of the time before there were test splits has none."""
    table = run.config["data"]
    values = {"test_share": 0.0, **table} if isinstance(table, Mapping) else table
    return make_settings(DataSettings, values, f"{run.config_file}, [data]")


def resolved(settings: DataSettings, dataset: Dataset) -> DataSettings:
    """Settings that find the same data set from any folder, and do not measure it again."""

    def absolute(place: str) -> str:
        return place if place in DATASETS or is_address(place) else str(Path(place).absolute())

    return replace(
        settings,
        name=absolute(settings.name),
        val=settings.val and absolute(settings.val),
        test=settings.test and absolute(settings.test),
        test_share=dataset.division.test_share,
        image_size=dataset.task.image_size,
        in_channels=dataset.task.in_channels,
        mean=dataset.mean,
        std=dataset.std,
    )


def _judges(train: Splits, place: str, settings: DataSettings, what: str) -> Images:
    """The images of another place, of its split of that kind if it has any splits."""
    found = _find(place, settings)
    ours, theirs = (found.val, found.test) if what == "validation" else (found.test, found.val)
    images = next((images for images in (ours, theirs) if images is not None), found.train)
    return alike(train, Splits(images, None, found.classes), what, place)


def _find(name: str, settings: DataSettings) -> Splits:
    if name in DATASETS:
        return _named(name, settings.answer)
    path = Path(name)
    if path.suffix in PICKLES:
        raise DataError(
            f"'{name}' is a pickle, which vitnas never opens, for it could run any code; save arrays as .npz"
        )
    place = local_place(name) if is_address(name) else str(path.absolute())  # the process may walk elsewhere
    if settings.format is not None:
        form = FORMATS.load(settings.format)()
        if settings.answer not in form.answers:
            raise DataError(
                f"[data] answer is '{settings.answer}', which data in format '{settings.format}' do not tell; formats that do: "
                f"{', '.join(_formats_of(settings.answer))}"
            )
        return form.open(place, settings)
    if not path.exists() and "{" not in name and not is_address(name):
        if "/" in name or path.suffix:
            raise DataError(f"data '{name}' does not exist; check the path, or name a data set: {', '.join(DATASETS)}")
        raise UnknownNameError(f"no dataset named '{name}', and no such path; {suggest(name, DATASETS)}")
    for form in _formats_of(settings.answer).values():
        if form.recognises(place):
            return form.open(place, settings)
    rule, page = "an image folder needs one subfolder a class", "data.md"
    if settings.answer != CLASS:
        rule, page = f"[data] answer = '{settings.answer}' needs data that tell that", "goals.md"
    raise DataError(
        f"data '{name}' looks like none of {', '.join(_formats_of(settings.answer))}; {rule}; docs/{page} shows each"
    )


def _formats_of(answer: str) -> dict[str, Format]:
    """The formats that tell what is asked, by name."""
    forms = {name: FORMATS.load(name)() for name in FORMATS}
    return {name: form for name, form in forms.items() if answer in form.answers}


def _named(name: str, answer: str) -> Splits:
    """A data set that has a name; it may tell other answers than classes."""
    make = DATASETS.load(name)
    if answer == CLASS:
        return make()
    if "answer" not in signature(make).parameters:
        raise DataError(
            f"[data] answer is '{answer}', but dataset '{name}' tells nothing but one class an image; choose 'shapes', or name "
            "data of your own"
        )
    return make(answer=answer)


def _short(name: str) -> str:
    """What people call it: the last part of a path, without its ending."""
    return name if name in DATASETS else Path(name).absolute().name.partition(".")[0].partition("{")[0].strip("-_")


__all__ = [
    "DATASETS",
    "FORMATS",
    "DataSettings",
    "Dataset",
    "Files",
    "Format",
    "Images",
    "Loader",
    "Pictures",
    "Pixels",
    "Splits",
    "data_settings_of",
    "dataset_of",
    "load_dataset",
    "resolved",
]
