"""The export `notebook.eln`: the result as an entry for electronic laboratory notebooks.

The file has the ELN format of The ELN Consortium (media type application/vnd.eln+zip): a ZIP with
one folder, which is an RO-Crate 1.1. Its ro-crate-metadata.json describes a dataset with its files,
their SHA-256, author, licence, instrument and numbers. It is one flat list of nodes, as the checks
of the consortium require.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from html import escape
from itertools import starmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segmentation import __version__

from ...archive import write_zip
from ..entries import Entry, quantity_entries
from ..facts import NOT_SAME, common_facts, typed_texts
from ..file_options import MICROGRAPH, NOTEBOOK
from ..wording import CITATION, one_line, version
from . import content_type_of
from .base import LAST, Export
from .result import json_value

if TYPE_CHECKING:
    from ..context import Context

FOLDER, METADATA = "notebook", "ro-crate-metadata.json"
ENTRY = "./result/"  # the folder of the files, within FOLDER
CRATE = "https://w3id.org/ro/crate/1.1"
# Files that a notebook does not need: single panels, and other forms of files that are included.
UNNEEDED = re.compile(r"panel-.*|figure\.(svg|pdf)|report\.pdf|(labels|rois)-all\..*|result\.schema\.json")
# The form of a licence's identifier in the SPDX list.
SPDX = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+]*-[A-Za-z0-9.+-]+|MIT|ISC|Unlicense")
MOST_BYTES = 50_000_000  # a larger image is not included, because notebooks refuse large files
AS_UPLOADED = "the image as uploaded"
NO_LICENCE = "No licence was given: ask the laboratory before you use these files."
# Identifiers of nodes.
SOFTWARE, PUBLISHER, LABORATORY, ACTION = "#deepsegm", "#publisher", "#laboratory", "#analysis"
CONTENT_LINE = "an entry for electronic laboratory notebooks: the files with author, licence, instrument and checksums"
Node = dict[str, Any]  # one object of the RO-Crate


def _write(context: Context, path: Path) -> None:
    """Write the archive: the metadata, the files of the result, and the uploaded image unless it is
    too large."""
    contents = [(name, (path.parent / name).read_bytes()) for name in context.contents if not UNNEEDED.fullmatch(name)]
    files = [_file(name, content, name, context.contents[name]) for name, content in contents]
    if (image := context.filing.image) and image.stat().st_size <= MOST_BYTES:
        name, title = f"{MICROGRAPH}{image.suffix.lower()}", one_line(context.sample.name)
        contents.append((name, image.read_bytes()))
        files.append(_file(*contents[-1], title, AS_UPLOADED))
    # Entries without a value are left out, because the consortium's checks warn of them.
    graph = [
        {name: value for name, value in json_value(node).items() if value not in ("", {}, [], None)}
        for node in _graph(context, files)
    ]
    crate = json.dumps({"@context": f"{CRATE}/context", "@graph": graph}, indent=1).encode()
    entries = [(f"{FOLDER}/{ENTRY[2:]}{name}", content) for name, content in contents]
    write_zip(path, [(f"{FOLDER}/{METADATA}", crate), *entries])


def _file(name: str, content: bytes, title: str, description: str) -> Node:
    """The node of a file."""
    return {
        "@id": f"{ENTRY}{name}",
        "@type": "File",
        "name": title,
        "description": description,
        "encodingFormat": content_type_of(name),
        "contentSize": str(len(content)),
        "sha256": sha256(content).hexdigest(),
    }


def _graph(context: Context, files: Sequence[Node]) -> Iterator[Node]:
    """All nodes of the crate. files: the nodes of its files, which are among them."""
    sample, created = context.sample, context.filing.created
    texts = {name: "" if text == NOT_SAME else text for name, text in typed_texts(sample).items()}
    shared = common_facts(sample)
    date = created.isoformat(timespec="seconds") if created else ""
    person, licence = _person(texts), licence_of(texts["licence"])
    author = _reference(person["@id"] if person else LABORATORY if texts["laboratory"] else "")
    microscope = texts["microscope"] or str(shared.get(("instrument", "instrument"), ""))
    numbers = list(_numbers(context))
    title = f"{sample.task.things.capitalize()} in {one_line(context.filing.sample or sample.name)}"
    yield {
        "@id": METADATA,
        "@type": "CreativeWork",
        "about": _reference("./"),
        "conformsTo": _reference(CRATE),
        "dateCreated": date,
        "version": "1.0",
        "sdPublisher": _reference(PUBLISHER),
    }
    yield {
        "@id": "./",
        "@type": "Dataset",
        "name": title,
        "description": one_line(". ".join(context.description), 1000),
        "datePublished": date,
        "license": _reference(licence["@id"]),
        "author": author,
        "hasPart": [_reference(ENTRY)],
        "publisher": _reference(LABORATORY if texts["laboratory"] else PUBLISHER),
        "mentions": _reference(ACTION),
    }
    yield {
        "@id": ENTRY,
        "@type": "Dataset",
        "name": title,
        "author": author,
        "dateCreated": date,
        "identifier": context.checksums.get("result.json", ""),
        "keywords": f"electron microscopy, {sample.task.things}, size distribution",
        "text": _text(context),
        "url": context.filing.address,
        "license": _reference(licence["@id"]),
        "variableMeasured": [_reference(node["@id"]) for node in numbers],
        "hasPart": [_reference(node["@id"]) for node in files],
    }
    yield from files
    yield {
        "@id": ACTION,
        "@type": "CreateAction",
        "name": f"Image analysis with {version()}",
        "agent": author,
        "endTime": date,
        "instrument": _references(SOFTWARE, *(["#microscope"] if microscope else [])),
        "object": _references(*(f"#image-{number}" for number, _ in enumerate(sample.images, 1))),
        "result": _reference(ENTRY),
    }
    for number, image in enumerate(sample.images, 1):
        identity = f"SHA-256 of the file: {image.sha256}" if image.sha256 else ""
        yield {"@id": f"#image-{number}", "@type": "ImageObject", "name": one_line(image.name), "description": identity}
    yield {"@id": SOFTWARE, "@type": "SoftwareApplication", "name": "DeepSegm", "version": __version__}
    yield {"@id": PUBLISHER, "@type": "Organization", "name": version(), "url": context.filing.address}
    if microscope:
        yield {"@id": "#microscope", "@type": "IndividualProduct", "name": microscope}
    if texts["laboratory"]:
        yield {"@id": LABORATORY, "@type": "Organization", "name": texts["laboratory"]}
    yield from [person] if person else []
    yield licence
    yield from numbers


def _reference(identifier: str) -> Node:
    """A reference to a node; empty for no identifier."""
    return {"@id": identifier} if identifier else {}


def _references(*identifiers: str) -> Node | list[Node]:
    """References to nodes; a single one is not in a list, as RO-Crate recommends."""
    links = [_reference(identifier) for identifier in identifiers]
    return links[0] if len(links) == 1 else links


def _person(texts: Mapping[str, str]) -> Node:
    """The node of the operator, whose identifier is the ORCID iD if there is one; empty without an
    operator."""
    if not texts["operator"]:
        return {}
    address = f"https://orcid.org/{texts['orcid']}" if texts["orcid"] else "#operator"
    works_at = _reference(LABORATORY) if texts["laboratory"] else {}
    return {"@id": address, "@type": "Person", "name": texts["operator"], "affiliation": works_at}


def licence_of(text: str) -> Node:
    """The node of a licence. text: an address, an identifier of the SPDX list, or any other
    text."""
    address = text if text.startswith(("https://", "http://")) and " " not in text else ""
    if SPDX.fullmatch(text):
        address = f"https://spdx.org/licenses/{text}"
    words = {"name": text or "No licence", "description": f"Licence of the files: {text}" if text else NO_LICENCE}
    return {"@id": address or "#licence", "@type": "CreativeWork", **words}


def _numbers(context: Context) -> Iterator[Node]:
    """The nodes of the quantities of the kind of analysis, with the intervals that the page
    shows."""
    for entry in starmap(Entry.of, context.sample.quantities.items()):
        if (value := entry.reported).value is not None:
            limits = {"minValue": value.low, "maxValue": value.high} if value.low is not None else {}
            unit = {"unitText": value.unit} if value.unit else {}
            identifier = f"#number-{re.sub('[^A-Za-z0-9_]+', '-', entry.name)}"
            entity = {"@id": identifier, "@type": "PropertyValue", "name": entry.term, "propertyID": entry.name}
            yield {**entity, "value": value.value, **unit, **limits}


def _text(context: Context) -> str:
    """The text that a notebook shows for the entry, as HTML: description, numbers, method,
    citation."""
    from ..method import methods_paragraph

    sample = context.sample.in_readable_unit()
    rows = [f"<li>{escape(entry.term)}: {escape(entry.words)}</li>" for entry in quantity_entries(sample.quantities)]
    lines = [f"<p>{escape(one_line(line, 300))}</p>" for line in context.description]
    method_lines = [f"<p>{escape(text)}</p>" for text in (methods_paragraph(sample), f"Cite: {CITATION}")]
    return "".join([*lines, "<ul>", *rows, "</ul>", *method_lines])


EXPORTS = (Export(NOTEBOOK, "Notebook entry, ELN", place=186, write=_write, both=CONTENT_LINE, turn=LAST),)
