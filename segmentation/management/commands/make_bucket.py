"""`make_bucket`: creates the S3 bucket that DEEPSEGM_BUCKET names, unless it exists."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Create the S3 bucket of DEEPSEGM_BUCKET unless it exists."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEEPSEGM_BUCKET:
            raise CommandError("DEEPSEGM_BUCKET is not set; local files need no bucket.")
        from botocore.exceptions import BotoCoreError, ClientError

        bucket = default_storage.bucket
        try:
            names = {bucket.name for bucket in default_storage.connection.buckets.all()}
            if bucket.name not in names:
                bucket.create()
        except (BotoCoreError, ClientError) as error:
            raise CommandError(f"The bucket {bucket.name} cannot be made: {error}") from error
        self.stdout.write(f"bucket {bucket.name} is ready")
