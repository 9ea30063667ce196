"""Reads Thermo Fisher's "memento", XML in tag 34683: nested items, each with a name and a value or further items.

The names are those of the microscope's programming interface, such as `EBeam.PixelSize.Width`. Lengths without a unit
are in metres, angles in radians.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

from .facts import Facts, local_name, metadata_of, pixel_count, scaled, tilt_facts, yes_or_no
from .units import nanometres, number, written_rounding

ITEM, NAME, UNIT = "MementoItem", "Name", "MementoItemUnit"
OUTERMOST = "root"
EBEAM, IBEAM = "ebeam.", "ibeam."
Values = dict[str, tuple[str, str]]  # path of names, such as "stage.position.x" -> text and unit


def is_memento(root: ElementTree.Element) -> bool:
    """Whether this is the root of a memento."""
    return local_name(root) == ITEM


def read(root: ElementTree.Element, detail: str) -> Facts:
    """The facts in the items. detail: the place of the XML, for people."""
    values: Values = {}
    for path, value in _values(root, ""):
        values.setdefault(path, value)
    ion = _text(values, "view.activebeam").lower() == "ion"
    beam, other = (IBEAM, EBEAM) if ion else (EBEAM, IBEAM)
    values = {path.removeprefix(beam): value for path, value in values.items() if not path.startswith(other)}
    system = _text(values, "system.type")
    return Facts(
        nm_per_pixel=_length(values, "pixelsize.width") or _length(values, "pixelwidth"),
        detail=detail,
        relative_uncertainty=written_rounding(_text(values, "pixelsize.width") or None),
        height_nm=_length(values, "pixelsize.height") or _length(values, "pixelheight"),
        columns=pixel_count(_number(values, "resolution.x")),
        rows=pixel_count(_number(values, "resolution.y")),
        metadata=metadata_of(
            instrument=f"FEI {system}" if system else None,
            detector=_text(values, "view.detector"),
            voltage_kv=scaled(_number(values, "highvoltage"), 1e-3),
            working_distance_mm=scaled(_number(values, "workingdistance"), 1e3),
            date=_text(values, "view.date"),
            **tilt_facts(
                _number(values, "position.tilt"),
                corrected=yes_or_no(_text(values, "tiltcorrection")),
                angle=_number(values, "tiltcorrectionangle"),
                rotation=_number(values, "scanrotation"),
                radians=True,
                ion=ion,
            ),
        ),
    )


def _values(item: ElementTree.Element, above: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Path, text and unit of an item, or of all items in it. above: the path of the item around it."""
    parts = {local_name(part): part for part in item}
    name = (parts[NAME].text or "").strip().lower() if NAME in parts else ""
    path = ".".join(filter(None, (above, name if name != OUTERMOST else "")))
    if inner := list(_inner(item)):
        for inner_item in inner:
            yield from _values(inner_item, path)
        return
    unit = (parts[UNIT].text or "").strip() if UNIT in parts else ""
    texts = [(part.text or "").strip() for tag, part in parts.items() if tag not in (NAME, UNIT)]
    yield from ((path, (text, unit)) for text in texts[:1])


def _inner(element: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """The items in an element, without items in these."""
    for part in element:
        if local_name(part) == ITEM:
            yield part
        else:
            yield from _inner(part)


def _value_of(values: Values, name: str) -> tuple[str, str]:
    """Text and unit of the path `name`, else of the first path that ends with it, else two empty texts."""
    ending = (value for path, value in values.items() if path.endswith(f".{name}"))
    return values.get(name) or next(ending, ("", ""))


def _text(values: Values, name: str) -> str:
    return _value_of(values, name)[0]


def _number(values: Values, name: str) -> float | None:
    return number(_text(values, name) or None)


def _length(values: Values, name: str) -> float | None:
    """The length at a path, in nm."""
    text, unit = _value_of(values, name)
    value, factor = number(text or None), nanometres(unit.removeprefix(UNIT) or "m")
    return value * factor if value and factor else None
