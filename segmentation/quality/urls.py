"""The addresses of quality control: limits and reference materials of results, charts and studies of methods."""

from django.urls import path

from ..models import Job, Sample
from .control_charts import pages as charts
from .limits import pages as specification
from .methods import pages as methods
from .references import pages as references
from .studies import pages as studies

urlpatterns = [
    *(
        path(f"{kind}s/<uuid:pk>/{action}/", getattr(specification, action), {"kind": row}, name=f"{kind}-{action}")
        for kind, row in (("job", Job), ("sample", Sample))
        for action in ("specification", "conformity", "reference")
    ),
    path("quality/", methods.quality, name="quality"),
    path("methods/<uuid:pk>/studies/", studies.studies, name="method-studies"),
    path("studies/<uuid:pk>/", studies.study, name="study"),
    path("studies/<uuid:pk>/report.pdf", studies.report, name="study-report"),
    path("studies/<uuid:pk>/apply/", studies.apply, name="study-apply"),
    path("studies/<uuid:pk>/cancel/", studies.cancel, name="study-cancel"),
    path("studies/<uuid:pk>/sign/", studies.sign, name="study-sign"),
    path("methods/<uuid:pk>/charts/", charts.create, name="method-charts"),
    path("charts/<uuid:pk>/", charts.chart, name="chart"),
    *(
        path(f"charts/<uuid:pk>/{action}/", getattr(charts, action), name=f"chart-{action}")
        for action in ("change", "point", "delete")
    ),
    path("references/", references.references, name="references"),
    path("references/<uuid:pk>/", references.reference, name="reference"),
    path("references/<uuid:pk>/delete/", references.delete, name="reference-delete"),
]
