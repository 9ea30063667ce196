"""Plug-ins of other wheels: ours come first, and one at fault is a sentence, never a dead site."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from types import ModuleType
from unittest.mock import Mock

import pytest

from segmentation import checks
from segmentation.core import plugins, tasks
from segmentation.core.micrograph import formats, kinds
from segmentation.core.micrograph.formats.base import Format
from segmentation.core.micrograph.types import UnreadableImage
from segmentation.core.report import exports
from segmentation.core.report.exports.base import Export
from segmentation.core.tasks import particles

CACHED = (plugins._installed, tasks.catalogue, formats.every, formats.format_by_suffix, exports.every)


@pytest.fixture
def install(monkeypatch):
    """A function that lets these objects be what plug-ins of a group bring, by the names of their entry points."""
    module = ModuleType("foreign_wheel")
    monkeypatch.setitem(sys.modules, "foreign_wheel", module)

    def forget() -> None:
        for cached in CACHED:
            cached.cache_clear()

    def install(group: str, **brought: object) -> None:
        for name, value in brought.items():
            setattr(module, name, value)
        points = [EntryPoint(name, f"foreign_wheel:{name}", group) for name in sorted(brought)]
        every = {one: points if one == group else [] for one in plugins.GROUPS}
        forget()
        monkeypatch.setattr(plugins, "_faults", {})
        monkeypatch.setattr(plugins, "_installed", lambda: every)

    yield install
    monkeypatch.undo()
    forget()


def raw(**changes: object) -> Format:
    return Format(**{"name": "RAW", "suffixes": (".raw",), "magic": (b"RAW1",), "read": None, **changes})


def warnings() -> list[str]:
    return [message.msg for message in checks.check_plug_ins()]


def test_a_format_is_known_by_its_first_bytes_and_named_where_ours_are(install):
    install(plugins.FORMATS, raw=raw())
    assert kinds.recognise(b"RAW1....").name == "RAW"
    assert formats.format_by_suffix()[".raw"].name == "RAW" and formats.names_text(" or ").endswith("EMD or RAW")
    with pytest.raises(UnreadableImage, match=r"EMD or RAW\.$"):
        kinds.recognise(b"%PDF")
    assert warnings() == []


def test_none_replaces_ours(install):
    tiff = raw(name="tiff", suffixes=(".tif",), magic=(b"II*\0",))
    install(plugins.FORMATS, one=tiff)
    assert kinds.recognise(b"II*\0").name == "TIFF"
    (sentence,) = warnings()
    expected = "The plug-in one of deepsegm.formats is left out: DeepSegm itself has the name TIFF"
    assert sentence == f"{expected}, which no plug-in can replace."
    install(plugins.FORMATS, two=raw(magic=(b"II*\0",), suffixes=(".tif",)))
    assert kinds.recognise(b"II*\0").name == "TIFF" == formats.format_by_suffix()[".tif"].name
    install(plugins.KINDS, mine=replace(particles.TASK, title="Mine"))
    assert tasks.find("particles").title == "Particles" and "name particles," in warnings()[0]


def test_of_two_with_one_name_the_first_is_taken(install):
    install(plugins.FORMATS, a=raw(title="first"), b=raw(title="second"))
    assert formats.format_by_suffix()[".raw"].title == "first" and "another plug-in has the name RAW" in warnings()[0]


def test_an_entry_point_may_name_several(install):
    install(plugins.FORMATS, both=(raw(), raw(name="RAW2", suffixes=(".raw2",))))
    assert [entry.name for entry in formats.every()][-2:] == ["RAW", "RAW2"]


def test_a_kind_is_one_of_all_and_its_numbers_must_be_known(install):
    install(plugins.KINDS, mine=replace(particles.TASK, name="mine"))
    assert tasks.find("mine").name == "mine" and tasks.every()[0].name == "particles"
    install(plugins.KINDS, bad=replace(particles.TASK, name="bad", quantities=("nosuch",)))
    assert "bad" not in tasks.catalogue() and "No number 'nosuch' is known" in warnings()[0]


def test_an_export_has_a_name_of_its_own_for_every_kind_of_analysis(install):
    export = Export("{table}.parquet", "Parquet", 150, lambda context, path: None, image="Rows", content_type="a/b")
    install(plugins.EXPORTS, mine=export)
    assert "particles.parquet" in exports.by_file_name("image", particles.TASK)
    assert exports.content_type_of("x.parquet") == "a/b" and exports.content_type_of("x") == exports.UNKNOWN_CONTENT
    install(plugins.EXPORTS, mine=replace(export, name="particles.csv"))
    ours = exports.by_file_name("image", particles.TASK)["particles.csv"]
    assert ours.title != "Parquet" and "DeepSegm itself has the name particles.csv" in warnings()[0]
    install(plugins.EXPORTS, mine=replace(export, title="{nosuch}"))
    assert len(warnings()) == 1 and "KeyError" in warnings()[0]


@pytest.mark.parametrize(
    ("brought", "why"),
    [
        ("text", "foreign_wheel:mine is neither a Format nor a list of them."),
        ([], "foreign_wheel:mine is neither a Format nor a list of them."),
        ([raw(), 3], "foreign_wheel:mine is neither a Format nor a list of them."),
    ],
)
def test_what_is_no_format_is_one_sentence(install, caplog, brought, why):
    install(plugins.FORMATS, mine=brought)
    assert len(formats.every()) == 9 and warnings() == [f"The plug-in mine of deepsegm.formats is left out: {why}"]
    assert caplog.messages == warnings(), "once in a process, however often it is asked"


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import nosuch_library", "ModuleNotFoundError, No module named 'nosuch_library'."),
        ("raise SystemExit(3)", "SystemExit, 3."),
        ("x = ", "SyntaxError, invalid syntax (broken_wheel.py, line 1)."),
        ("", "AttributeError, module 'broken_wheel' has no attribute 'FORMAT'."),
    ],
)
def test_one_that_cannot_be_imported_is_one_sentence(install, monkeypatch, tmp_path, source, why):
    (tmp_path / "broken_wheel.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_wheel", raising=False)
    point = EntryPoint("broken", "broken_wheel:FORMAT", plugins.FORMATS)
    install(plugins.FORMATS)
    monkeypatch.setattr(plugins, "_installed", lambda: {group: [] for group in plugins.GROUPS} | {point.group: [point]})
    assert len(formats.every()) == 9
    assert warnings() == [f"The plug-in broken of deepsegm.formats is left out: {why}"]
    sys.modules.pop("broken_wheel", None)


def test_one_that_imports_what_is_heavy_is_told_of_and_used(install, monkeypatch, tmp_path):
    monkeypatch.setattr(plugins, "HEAVY", ("heavy_library",))
    (tmp_path / "heavy_library.py").touch()
    (tmp_path / "heavy_wheel.py").write_text("import heavy_library\nfrom foreign_wheel import raw as FORMAT")
    monkeypatch.syspath_prepend(tmp_path)
    install(plugins.FORMATS, raw=raw())
    point = EntryPoint("heavy", "heavy_wheel:FORMAT", plugins.FORMATS)
    monkeypatch.setattr(plugins, "_installed", lambda: {group: [] for group in plugins.GROUPS} | {point.group: [point]})
    assert formats.format_by_suffix()[".raw"].name == "RAW"
    assert "imports heavy_library at once" in warnings()[0] and warnings()[0].endswith("import it inside functions.")
    for name in ("heavy_library", "heavy_wheel"):
        sys.modules.pop(name)


def test_a_reader_without_its_library_says_so_and_its_faults_are_one_sentence(install, tmp_path):
    from segmentation.core.micrograph.reader import read

    def lacking(path, max_pixels, page):
        import nosuch_library  # noqa: F401

    (tmp_path / "a.raw").write_bytes(b"RAW1....")
    install(plugins.FORMATS, raw=raw(read=lacking))
    with pytest.raises(UnreadableImage, match=r"RAW files cannot be read here.*nosuch_library.*install that\."):
        read(tmp_path / "a.raw")
    for fault, says in ((ValueError("x"), "The RAW file is damaged"), (SystemExit(0), "reads RAW files is at fault")):
        install(plugins.FORMATS, raw=raw(read=Mock(side_effect=fault)))
        with pytest.raises(UnreadableImage, match=says):
            read(tmp_path / "a.raw")


def test_the_packages_of_plug_ins_are_named_for_the_fuzzing(install):
    install(plugins.FORMATS, raw=raw())
    assert plugins.modules() == ["foreign_wheel"]
