from django.apps import AppConfig
from django.db.models.signals import post_migrate


class PaymentsConfig(AppConfig):
    name = "payments"

    def ready(self):
        from payments import checks, triggers  # noqa: F401  (checks register themselves)

        post_migrate.connect(triggers.create, sender=self)
