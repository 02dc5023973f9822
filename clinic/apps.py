from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import post_migrate


class ClinicConfig(AppConfig):
    name = "clinic"

    def ready(self):
        from clinic import checks, membership_triggers, roles  # noqa: F401  (checks register themselves)

        post_migrate.connect(roles.sync, sender=self)
        post_migrate.connect(membership_triggers.create, sender=self)


class ClinicAdminConfig(AdminConfig):
    default_site = "clinic.adminsite.ClinicAdminSite"
