"""The addresses of what results are held against: limits, reference materials and control charts."""

from django.urls import path

from ..models import Job, Sample
from . import charts, references, specification

urlpatterns = [
    *(
        path(f"{kind}s/<uuid:pk>/{action}/", getattr(specification, action), {"kind": row}, name=f"{kind}-{action}")
        for kind, row in (("job", Job), ("sample", Sample))
        for action in ("specification", "conformity", "reference")
    ),
    path("methods/<uuid:pk>/charts/", charts.create, name="method-charts"),
    path("charts/<uuid:pk>/", charts.chart, name="chart"),
    path("charts/<uuid:pk>/month.pdf", charts.month, name="chart-month"),
    *(
        path(f"charts/<uuid:pk>/{action}/", getattr(charts, action), name=f"chart-{action}")
        for action in ("change", "point", "delete")
    ),
    path("references/", references.references, name="references"),
    path("references/<uuid:pk>/", references.reference, name="reference"),
    path("references/<uuid:pk>/delete/", references.delete, name="reference-delete"),
]
