"""Reception, Doctor, Manager: what each may do, made equal to this table after every migrate."""

from django.apps import apps
from django.contrib.auth.management import create_permissions

ROLES = {
    "Reception": [
        "schedules.view_schedule", "schedules.add_schedule", "bookings.view_booking", "bookings.run_desk",
        "bookings.view_bookingevent", "clinic.view_patient", "clinic.change_patient", "clinic.view_doctor",
        "payments.take_payment", "payments.view_payment", "payments.view_refund", "payments.view_receipt",
        "payments.view_drawer",
        "clinic.view_reviewitem", "schedules.view_weeklyhours", "schedules.view_closure",
        "clinic.view_plan", "clinic.view_membership", "clinic.add_membership",
    ],
    "Doctor": ["schedules.view_schedule", "bookings.view_booking", "bookings.run_desk", "clinic.view_patient",
               "payments.view_own_earnings", "schedules.view_weeklyhours",
               "schedules.view_closure", "clinic.own_calendar"],
    "Manager": [
        "schedules.view_schedule", "schedules.add_schedule", "schedules.change_schedule", "schedules.overbook",
        "schedules.view_weeklyhours", "schedules.change_weeklyhours",
        "schedules.view_closure", "schedules.change_closure",
        "bookings.view_booking", "bookings.run_desk", "bookings.view_bookingevent",
        "clinic.view_patient", "clinic.change_patient",
        "clinic.view_doctor", "clinic.add_doctor", "clinic.change_doctor",
        "clinic.view_plan", "clinic.add_plan", "clinic.change_plan",
        "clinic.view_membership", "clinic.add_membership", "clinic.change_membership",
        "clinic.view_service", "clinic.add_service", "clinic.change_service",
        "clinic.view_servicecategory", "clinic.add_servicecategory", "clinic.change_servicecategory",
        "clinic.view_reviewitem", "clinic.change_reviewitem", "clinic.view_user", "clinic.view_notice",
        "clinic.view_apikey", "clinic.add_apikey", "clinic.change_apikey",
        "clinic.view_hook", "clinic.add_hook", "clinic.change_hook", "clinic.view_delivery",
        "payments.take_payment", "payments.refund", "payments.override_payment", "payments.view_money",
        "payments.export_money", "payments.discount", "payments.view_concession",
        "payments.view_payment", "payments.view_paymentevent",
        "payments.view_gatewayevent", "payments.view_refund", "payments.change_refund", "payments.view_dispute",
        "payments.view_receipt", "payments.view_receiptseries", "payments.view_ledgerentry", "payments.adjust_ledger",
        "payments.view_payout", "payments.change_payout", "payments.view_own_earnings",
        "payments.view_drawer", "payments.change_drawer",
    ],
}  # fmt: skip


def sync(using, **kwargs):
    """Gives each role exactly its permissions. After migrate, because in a migration of a
    fresh database the permissions do not exist yet."""
    for config in apps.get_app_configs():
        create_permissions(config, verbosity=0, using=using)
    Group, Permission = apps.get_model("auth.Group"), apps.get_model("auth.Permission")
    known = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.using(using).select_related("content_type")
    }
    for role, names in ROLES.items():
        group, _made = Group.objects.using(using).get_or_create(name=role)
        group.permissions.set(known[name] for name in names)
