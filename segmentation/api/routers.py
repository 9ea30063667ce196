"""All routers of the API, each with the prefix of its addresses, in the order of the OpenAPI document."""

from __future__ import annotations

from . import (
    charts,
    corrections,
    datasets,
    files,
    jobs,
    judging,
    links,
    methods,
    models,
    references,
    samples,
    scales,
    several,
    site,
    studies,
    trainings,
)

ROUTERS = (
    ("/jobs", jobs.router),
    ("/jobs", corrections.router),
    ("/jobs", files.router),
    ("/jobs", scales.router),
    ("/jobs", several.router),
    ("/jobs", links.jobs),
    ("/samples", samples.router),
    ("/samples", links.samples),
    ("/jobs", judging.jobs),
    ("/samples", judging.samples),
    ("/references", references.router),
    ("/jobs", references.jobs),
    ("/samples", references.samples),
    ("", site.router),
    ("/compare", several.comparisons_router),
    ("/datasets", datasets.router),
    ("/trainings", trainings.router),
    ("/methods", methods.router),
    ("/methods", studies.methods),
    ("/studies", studies.router),
    ("/methods", charts.methods_router),
    ("/charts", charts.router),
    ("/models", models.router),
    ("/datasets", trainings.datasets_router),
)
