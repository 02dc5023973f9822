from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("bookings", "0005_membership"),
    ]

    operations = [
        migrations.AddField(
            model_name="booking",
            name="external_id",
            field=models.CharField(
                blank=True,
                editable=False,
                max_length=64,
                null=True,
                unique=True,
                verbose_name="number in the system before",
            ),
        ),
    ]
