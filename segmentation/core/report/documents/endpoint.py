"""The endpoint record of a particle size study (granulometry), in the JSON of the databases AMBIT
and eNanoMapper.

The Python package pyambit reads it. AMBIT maps its section on granulometry to section 4.5 of
IUCLID, "Particle size distribution (Granulometry)". Names of endpoints and parameters are those of
AMBIT's documentation of that section; for other numbers the names are ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from ...measure.results import Statistics
from ...sample import SampleAnalysis
from ..entries import Entry
from ..exports.result import as_dict
from ..facts import common_facts, model_words, typed_texts
from ..filing import Filing
from ..summary import Summary
from ..wording import CITATION, decided_words, one_line, version
from .guideline import GUIDELINE, TO_GIVE

ENDPOINTS = {
    "d10": "PARTICLE SIZE.D10",
    "d50": "PARTICLE SIZE.D50",
    "d90": "PARTICLE SIZE.D90",
    "mean": "PARTICLE SIZE.MEAN",
    "sd": "PARTICLE SIZE.SD",
    "fraction_100nm": "FRACTION FROM 1 TO 100 NM",
}
CATEGORY = {"code": "PC_GRANULOMETRY_SECTION", "title": "4.5 Particle size distribution (Granulometry)"}
STANDARDS = "ISO 13322-1; ISO 9276-6; ISO 19749 (SEM) or ISO 21363 (TEM)"
CRITERIA = "2022/C 229/01: 50 % or more of the particles, by number, from 1 to 100 nm. A screening, not a certificate."


def record(sample: SampleAnalysis, filing: Filing) -> dict[str, Any]:
    """The record: one substance with one study, in plain JSON types. Sizes are in nm, or in px
    without a scale.

    The same images and name give the same identifier of the substance. The same result by the same
    version of the software gives the same identifier of the study.
    """
    texts = {name: value for name, value in typed_texts(sample).items() if value}
    owner = texts.get("laboratory", TO_GIVE)
    substance, company = _identifier(sample, "substance"), _identifier(sample, owner)
    summary = Summary.of(sample, readable=False)
    interpretation, criteria = (
        decided_words(summary.nano) if summary.nano else "",
        CRITERIA if sample.task.screened else "",
    )
    # The digest covers all numbers, settings and corrections, but not the versions of other packages.
    digest = sha256(json.dumps(as_dict(sample) | {"versions": None}, sort_keys=True).encode()).hexdigest()
    study = {
        "uuid": _identifier(sample, f"{version()}|{digest}"),
        "owner": {"substance": {"uuid": substance}, "company": {"uuid": company, "name": owner}},
        "citation": {
            "title": filing.address or CITATION,
            "owner": owner,
            **({"year": filing.created.year} if filing.created else {}),
        },
        "protocol": {
            "topcategory": "P-CHEM",
            "category": CATEGORY,
            "endpoint": "Particle size distribution (Granulometry)",
            "guideline": [f"{GUIDELINE}: compliance to be stated by the laboratory", STANDARDS],
        },
        "parameters": dict(_parameters(sample, texts, summary)),
        "interpretation": {"result": interpretation, "criteria": criteria},
        "interpretationResult": interpretation,
        "interpretationCriteria": criteria,
        "effects": list(_effects(sample, sample.pooled)) if sample.pooled is not None and summary.kept else [],
        **({"updated": filing.date.removesuffix(" UTC")} if filing.created else {}),
    }
    name = texts.get("material", _name(sample))
    names = {"name": name, "publicname": name, "ownerName": owner, "ownerUUID": company, "i5uuid": substance}
    return {"substance": [{**names, "study": [study]}]}


def _identifier(sample: SampleAnalysis, code: str) -> str:
    """An identifier that is always the same for the same images, name of the sample and code."""
    images = sorted(image.sha256 for image in sample.images)
    return f"DSGM-{uuid5(NAMESPACE_URL, '|'.join(('deepsegm', one_line(code, 1000), _name(sample), *images)))}"


def _name(sample: SampleAnalysis) -> str:
    """The name of the sample without half characters (lone surrogates), which no JSON file may
    hold."""
    return one_line(sample.name, 1000)


def _parameters(sample: SampleAnalysis, texts: Mapping[str, str], summary: Summary) -> Iterator[tuple[str, Any]]:
    """How it was measured: texts, and numbers with their unit."""
    shared = common_facts(sample)
    yield "E.method", "electron microscopy and image analysis"
    yield "DISTRIBUTION_TYPE", "counted distribution"
    yield "DATA_GATHERING_INSTRUMENTS", texts.get("microscope", str(shared.get(("instrument", "instrument"), TO_GIVE)))
    yield "TESTMAT_FORM", texts.get("material", TO_GIVE)
    yield "SAMPLING", texts.get("sampling_plan", TO_GIVE)
    yield "SAMPLE_PREPARATION", texts.get("preparation", TO_GIVE)
    yield "OPERATOR", texts.get("operator", TO_GIVE)
    yield "CALIBRATION_STANDARD", texts.get("grating", TO_GIVE)
    yield "DEVIATIONS", texts.get("deviations", TO_GIVE)
    yield "SIZE_DESCRIPTOR", summary.size.title
    yield "SOFTWARE", version()
    yield "MODEL", "; ".join(map(model_words, sample.models))
    yield "IMAGES", {"loValue": len(sample.counted)}
    yield f"{summary.things.upper()}_COUNTED", {"loValue": summary.kept}
    yield f"{summary.things.upper()}_LEFT_OUT", {"loValue": summary.set_aside_count}
    low, high = sample.calibration["low"], sample.calibration["high"]
    if low is not None:
        yield "PIXEL_SIZE", {"loValue": low, "upValue": high, "unit": "nm"}
    for name, unit in (("voltage_kv", "kV"), ("working_distance_mm", "mm")):
        value = shared.get(("instrument", name))
        if isinstance(value, int | float):
            yield name.rpartition("_")[0].upper(), {"loValue": value, "unit": unit}


def _effects(sample: SampleAnalysis, statistics: Statistics) -> Iterator[dict[str, Any]]:
    """The numbers of the size distribution and of the kind of analysis, with the 95 % intervals of
    the page.

    `errorValue` is left empty: it is one number for both sides, and many intervals are not
    symmetric.
    """
    sizes = {endpoint: Entry.of(name, statistics.value(name)) for name, endpoint in ENDPOINTS.items()}
    quantities = {} if sample.task.screened else sample.quantities
    others = [Entry.of(name, value) for name, value in quantities.items() if name not in sample.task.figures]
    for endpoint, entry in (sizes | {entry.term.upper(): entry for entry in others}).items():
        number, fraction = entry.reported, entry.kind == "fraction"
        times, unit = (100.0, "%") if fraction else (1.0, number.unit)
        if number.value is None:
            continue
        result: dict[str, Any] = {"loQualifier": "=", "loValue": times * number.value, "unit": unit}
        conditions: dict[str, Any] = {"WEIGHTING": "by number"} if endpoint in sizes else {"IS": entry.definition}
        if number.low is not None and number.high is not None:
            ends = {"loQualifier": ">=", "loValue": times * number.low, "upValue": times * number.high}
            conditions["INTERVAL_95"] = {**ends, "upQualifier": "<=", "unit": unit}
        if fraction and statistics.nano and statistics.nano["least_nm"]:
            conditions["COUNTED_FROM"] = {"loValue": statistics.nano["least_nm"], "unit": "nm"}
        names = {"endpoint": endpoint, "endpointtype": "AGGREGATED", "endpointSynonyms": list[str]()}
        yield {**names, "result": result, "conditions": conditions}
