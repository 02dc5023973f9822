from django.apps import AppConfig
from django.db.models.signals import post_migrate


class BookingsConfig(AppConfig):
    name = "bookings"

    def ready(self):
        from bookings import triggers

        post_migrate.connect(triggers.create, sender=self)
