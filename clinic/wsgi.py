"""The web process. It alone gets the short database timeouts and the connection pool."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinic.settings")
os.environ.setdefault("CLINIC_PROCESS", "web")

application = get_wsgi_application()

from clinic.checks import refuse_to_start  # noqa: E402  (it needs the apps)

refuse_to_start()
