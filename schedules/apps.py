from django.apps import AppConfig
from django.db.models.signals import post_migrate


class SchedulesConfig(AppConfig):
    name = "schedules"

    def ready(self):
        from schedules import triggers

        post_migrate.connect(triggers.create, sender=self)
