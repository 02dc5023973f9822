from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import post_migrate


class ClinicConfig(AppConfig):
    name = "clinic"

    def ready(self):
        from clinic import checks, roles  # noqa: F401  (checks register themselves)

        post_migrate.connect(roles.sync, sender=self)


class ClinicAdminConfig(AdminConfig):
    default_site = "clinic.adminsite.ClinicAdminSite"
