"""What has no receipt, no credit note or no refund yet is found without reading all that has."""

from django.conf import settings
from django.db import migrations, models

BOOKED = "UPDATE payments_{0} SET in_books = true WHERE id IN (SELECT {0}_id FROM payments_receipt)"


class Migration(migrations.Migration):
    dependencies = [
        ("bookings", "0002_no_overlap"),
        ("payments", "0010_disputes"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="payment",
            name="in_books",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.AddField(
            model_name="refund",
            name="in_books",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.RunSQL(BOOKED.format("payment"), migrations.RunSQL.noop),
        migrations.RunSQL(BOOKED.format("refund"), migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                condition=models.Q(("in_books", False), ("status", "captured")),
                fields=["captured_at", "id"],
                name="payment_without_receipt",
            ),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                condition=models.Q(
                    ("outcome__in", ("no_place", "surplus")),
                    ("refunded_minor__lt", models.F("captured_minor")),
                ),
                fields=["created_at"],
                name="payment_owed_back",
            ),
        ),
        migrations.AddIndex(
            model_name="refund",
            index=models.Index(
                condition=models.Q(("in_books", False), ("status", "done")),
                fields=["done_at", "id"],
                name="refund_without_credit_note",
            ),
        ),
        migrations.AddIndex(
            model_name="refund",
            index=models.Index(
                condition=models.Q(("gateway_refund", ""), _negated=True),
                fields=["gateway_refund"],
                name="refund_of_gateway",
            ),
        ),
    ]
