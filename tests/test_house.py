"""Checks that a typical change of the code touches few files, that no file imports too many others, that no attribute
of another package is replaced, and that stored results are read in one place. Prints the number of statements."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("segmentation", "worker", "deepsegm")
MOST_IMPORTED = 25  # files of this repository that one file may import directly
# Attributes of other packages that are meant to be set.
CONFIGURATION = ("django.", "PIL.Image.MAX_IMAGE_PIXELS", "reportlab.rl_config", "sys.", "tempfile.tempdir")
MOST_RAW_READS = 10  # of stored results, outside core/stored.py: more than 173 in 36 files of version 1.1
PARTS_OF_RESULTS = ("summary", "pooled", "used")  # mappings under these names are results or parts of them
# Rows and objects with a `summary` or `pooled` of their own, which is no result.
NO_RESULTS = {"dataset", "training", "image", "instance", "view", "recipe", "card", "folder", "files", "page", "row"}
# Outlines that are being made or measured: their `used` is no stored one.
OUTLINES = {"segmentation", "outlines", "decoded", "original", "now", "candidate", "best", "usual", "alternative"}
# Files that make or measure outlines, and those of trainings and datasets, whose rows have a `summary` of another kind.
OF_NO_RESULT = (
    "core/(tasks|labels|network|measure)/|core/(stages/(search|coarse)|stored)[.]py|/lab/|learning|/train|dataset"
)


def files() -> list[Path]:
    every = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return [path for path in every if "migrations" not in path.parts]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def modules() -> dict[str, Path]:
    return {module_of(path): path for path in files()}


def imported(path: Path) -> set[str]:
    """The modules of this repository that a file imports anywhere, except those that it needs only for types."""
    tree, name = ast.parse(path.read_text(encoding="utf-8")), module_of(path)
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    names = set[str]()
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*above, *filter(None, [node.module])])
            names |= {full if (full := f"{source}.{alias.name}") in modules() else source for alias in node.names}
    return (names & modules().keys()) - {name}


def lines_of(paths: set[Path]) -> int:
    return sum(path.read_text(encoding="utf-8").count("\n") for path in paths)


# For each typical change the files of an example, and the most lines of this repository that these files import.
CHANGES = {
    "a kind": (["tests/tasks/brightness.py", "tests/tasks/taught_brightness.py"], 2400),
    "a descriptor": (["segmentation/core/measure/shape/descriptors.py"], 450),
    "a headline number": (["segmentation/core/tasks/bubbles.toml"], 0),
    "a format": (["segmentation/core/micrograph/formats/ser.py"], 200),
    "an export": (["segmentation/core/report/exports/coco.py"], 1000),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_typical_change_touches_few_files_with_few_imports(change: str):
    names, most = CHANGES[change]
    paths = [ROOT / name for name in names]
    needed = {modules()[name] for path in paths if path.suffix == ".py" for name in imported(path)}
    print(f"\n{change}: {len(paths)} files, which import {len(needed)} of ours with {lines_of(needed)} lines")
    assert len(paths) <= 2 and lines_of(needed) <= most


def test_no_file_depends_on_too_many_others():
    counts = {str(path.relative_to(ROOT)): len(imported(path)) for path in files()}
    largest = sorted(counts.items(), key=lambda pair: -pair[1])[:10]
    print("\n" + "\n".join(f"{count} {name}" for name, count in largest))
    assert not {name: count for name, count in largest if count > MOST_IMPORTED}


MOST_IN_A_ROOM = 15  # Python files of one folder
# One file for each entry of a registry; Django looks for commands in one folder.
REGISTRIES = {
    *("segmentation/core/micrograph/vendors", "segmentation/core/report/exports", "segmentation/core/tasks"),
    "segmentation/management/commands",
}
LARGER = {"segmentation/lab/training": 20, "segmentation/lab/training/synthesis": 16}  # no more than today


def test_a_room_is_seen_at_a_glance():
    counts = Counter(str(path.parent.relative_to(ROOT)) for path in files())
    counts = {name: count for name, count in counts.items() if name not in REGISTRIES}
    assert not {name: count for name, count in counts.items() if count > LARGER.get(name, MOST_IN_A_ROOM)}


def replaced_in(path: Path) -> set[str]:
    """The attributes of imported foreign packages that a file sets."""
    tree, names = ast.parse(path.read_text(encoding="utf-8")), dict[str, str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name.partition(".")[0]: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    others = {short: full for short, full in names.items() if full.partition(".")[0] not in PACKAGES}
    targets = [target for node in ast.walk(tree) if isinstance(node, ast.Assign) for target in node.targets]
    return {
        f"{others[root]}{attribute.removeprefix(root)}"
        for target in targets
        if isinstance(target, ast.Attribute)
        and (root := (attribute := ast.unparse(target)).partition(".")[0].partition("[")[0]) in others
    }


def test_nothing_of_another_package_is_replaced_in_place():
    replaced = {name for path in files() for name in replaced_in(path) if not name.startswith(CONFIGURATION)}
    assert not replaced, f"set in place: {sorted(replaced)}"


def test_statements_are_counted():
    """A brake, not a limit: an issue that adds no ability adds no statements. Of version 1.1 there were 59,034."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in files())
    print(f"\n{sum(isinstance(node, ast.stmt) for tree in trees for node in ast.walk(tree)):,} statements")


def name_in(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def key_read(node: ast.AST) -> tuple[ast.expr, str] | None:
    """The mapping and the key of x["key"], x.get("key") and "key" in x; None for another expression."""
    match node:
        case ast.Subscript(value=mapping, slice=ast.Constant(value=str() as key), ctx=ast.Load()):
            return mapping, key
        case ast.Call(func=ast.Attribute(value=mapping, attr="get"), args=[ast.Constant(value=str() as key), *_]):
            return mapping, key
        case ast.Compare(left=ast.Constant(value=str() as key), ops=[ast.In() | ast.NotIn()], comparators=[mapping]):
            return mapping, key
    return None


def holds_result(node: ast.expr, names: set[str]) -> bool:
    """Whether an expression is a stored result or a part of one: `summary`, `pooled` or `used` of something, or an
    attribute of the last; the `content` of a StoredResult; one of `names`, which are parameters or were assigned."""
    if ast.unparse(node) in names or ast.unparse(node).endswith("stored.content"):
        return True
    if isinstance(node, ast.Attribute):
        if name_in(node.value) == "used":  # a part of it
            return True
        return node.attr in PARTS_OF_RESULTS and name_in(node.value) not in NO_RESULTS | OUTLINES
    if isinstance(node, ast.BoolOp):
        return any(holds_result(value, names) for value in node.values)
    if isinstance(node, ast.IfExp):
        return holds_result(node.body, names) or holds_result(node.orelse, names)
    read = key_read(node)
    return read is not None and holds_result(read[0], names)


def assigned(tree: ast.AST) -> list[tuple[str, ast.expr]]:
    """Each target of an assignment with its value; those of tuples one by one."""
    pairs = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                is_tuple = isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
                pairs += zip(target.elts, node.value.elts, strict=False) if is_tuple else [(target, node.value)]
    return [(ast.unparse(target), value) for target, value in pairs]


def raw_reads(path: Path) -> list[str]:
    """The places where a file reads a stored result by key, and the paths into one in its queries."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)} & {*PARTS_OF_RESULTS}
    for _ in range(3):  # names of names
        names |= {target for target, value in assigned(tree) if holds_result(value, names)}
    reads = {id(node): read for node in ast.walk(tree) if (read := key_read(node)) and holds_result(read[0], names)}
    inner = {id(part) for mapping, _ in reads.values() for part in ast.walk(mapping)}  # x["a"]["b"] is one read
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    queries = [node.value for node in texts if re.match("-?(summary|pooled)__", node.value)]
    keywords = [node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg]
    queries += [name for name in keywords if name.startswith(("summary__", "pooled__"))]
    return [key for place, (_, key) in reads.items() if place not in inner] + queries


def raw_reads_of_template(path: Path) -> list[str]:
    names = re.findall(r"\b(\w+)\.((?:summary|pooled)\.\w+)", path.read_text(encoding="utf-8"))
    return [read for row, read in names if row not in NO_RESULTS]


def test_stored_results_are_read_in_one_place():
    templates = [path for room in ("templates", "segmentation") for path in (ROOT / room).rglob("*.html")]
    readers = [path for path in files() + templates if not re.search(OF_NO_RESULT, str(path.relative_to(ROOT)))]
    found = {path: raw_reads_of_template(path) if path in templates else raw_reads(path) for path in readers}
    counts = {str(path.relative_to(ROOT)): reads for path, reads in found.items() if reads}
    total = sum(map(len, counts.values()))
    print(f"\n{total} raw reads of stored results in {len(counts)} files")
    assert total <= MOST_RAW_READS, counts
