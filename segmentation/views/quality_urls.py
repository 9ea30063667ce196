"""The addresses of what results are held against: limits, and reference materials."""

from django.urls import path

from ..models import Job, Sample
from . import references, specification

urlpatterns = [
    *(
        path(f"{kind}s/<uuid:pk>/{action}/", getattr(specification, action), {"kind": row}, name=f"{kind}-{action}")
        for kind, row in (("job", Job), ("sample", Sample))
        for action in ("specification", "conformity", "reference")
    ),
    path("references/", references.references, name="references"),
    path("references/<uuid:pk>/", references.reference, name="reference"),
    path("references/<uuid:pk>/delete/", references.delete, name="reference-delete"),
]
