"""The soak's negative control: losses in one book alone, which the comparison must find."""

from django.db import connection
from django.utils import timezone

from payments.models import Payment
from tests.storms.soak_books import apart, differences, ours, theirs

now = timezone.now


def losses(soak, stand_ins, since) -> dict:
    """Loses a captured payment here and makes one of which nobody was told there, at each gateway; what
    was found of that, by the product and by the soak's own eyes."""
    found = {}
    for stand_in in stand_ins:
        before = {each["name"] for each in differences(stand_in.name, since)}
        lost = lose(stand_in.name)
        stranger = unknown(stand_in)
        facts = {each["name"]: each["fact"] for each in differences(stand_in.name, since)}
        seen = {each["name"] for each in apart(stand_in.name, theirs(stand_in), ours(stand_in.name))}
        found[stand_in.name] = {
            "lost": facts.get(lost), "unknown": facts.get(stranger), "invented": invent(stand_in.name, since),
            "others": len(set(facts) - before - {lost, stranger}), "seen": {lost, stranger} <= seen,
        }  # fmt: skip
    return found


def lose(gateway: str) -> str:
    """As if the row of a captured payment had never been written."""
    row = Payment.objects.captured().filter(gateway=gateway, refunds=None).first()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE payments_payment SET status = 'expired', outcome = '', captured_minor = 0,"
                       " gateway_payment = '' WHERE id = %s", [row.pk])  # fmt: skip
    return row.gateway_payment


def unknown(stand_in) -> str:
    """Money in the gateway's account that no attempt of ours asked for."""
    return stand_in.pull("receive", amount=12_300, currency="INR")["id"]


def invent(gateway: str, since) -> str | None:
    """Money that stands here alone: what the comparison calls it."""
    row = Payment.objects.captured().filter(gateway=gateway, refunds=None).last()
    name, row.pk, row.key, row.outcome = f"{row.gateway_payment}x", None, None, "surplus"
    row.key = Payment._meta.get_field("key").get_default()
    row.gateway_payment = name
    row.save(force_insert=True)
    return {each["name"]: each["fact"] for each in differences(gateway, since)}.get(name)
