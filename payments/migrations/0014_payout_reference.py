"""One transfer pays one payout, and the bank says on which day."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0013_money_report")]

    operations = [
        migrations.AddField(
            model_name="payout",
            name="paid_on",
            field=models.DateField(blank=True, null=True, verbose_name="the bank's date"),
        ),
        migrations.AddConstraint(
            model_name="payout",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "completed")),
                fields=("reference",),
                name="payout_reference_once",
            ),
        ),
    ]
