"""The private links of results and samples, as far as their owners have changed them."""

from __future__ import annotations

from django.db import models


class Link(models.Model):
    """How the link of one job or sample opens it. Without a row, a result that has no account opens by its address for
    ever. A result of an account then opens for nobody else.

    target: id of the job or sample. number: what its secret is made from (services.access.links), "" where the address
    alone opens it. ends: when it stops, None for never. off: whether it is switched off.
    """

    target = models.UUIDField(primary_key=True, editable=False)
    number = models.CharField(max_length=32, blank=True, default="", editable=False)
    ends = models.DateTimeField(null=True, blank=True)
    off = models.BooleanField(default=False)
    changed = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return str(self.target)
