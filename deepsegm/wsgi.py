"""The WSGI application, which a web server calls (`up` starts one)."""

import os
from pathlib import Path

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deepsegm.settings")
application = get_wsgi_application()
# Uploads are written there.
Path(settings.FILE_UPLOAD_TEMP_DIR).mkdir(mode=0o700, parents=True, exist_ok=True)
