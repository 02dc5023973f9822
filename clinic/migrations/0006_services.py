import django.core.validators
import django.db.models.expressions
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("clinic", "0005_membership"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="service",
            options={
                "ordering": ["position", "name"],
                "verbose_name": "service",
                "verbose_name_plural": "services",
            },
        ),
        migrations.AddField(
            model_name="service",
            name="position",
            field=models.PositiveSmallIntegerField(
                default=0, help_text="Lower numbers stand first; equal ones by name.", verbose_name="order"
            ),
        ),
        migrations.AlterField(
            model_name="service",
            name="buffer",
            field=models.PositiveSmallIntegerField(
                default=0,
                help_text="To clean up or rest. They are booked with it: patients read the sum.",
                validators=[
                    django.core.validators.MaxValueValidator(1440, "No more than a day: 1440 minutes.")
                ],
                verbose_name="minutes kept free after it",
            ),
        ),
        migrations.AlterField(
            model_name="service",
            name="code",
            field=models.SlugField(
                help_text="Short and lasting, for lists and files. Patients don't see it.",
                unique=True,
                verbose_name="code",
            ),
        ),
        migrations.AlterField(
            model_name="service",
            name="deleted_at",
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name="removed"),
        ),
        migrations.AlterField(
            model_name="service",
            name="duration",
            field=models.PositiveSmallIntegerField(
                validators=[
                    django.core.validators.MinValueValidator(1, "A service takes at least one minute."),
                    django.core.validators.MaxValueValidator(
                        1440, "A service takes a day at most: 1440 minutes."
                    ),
                ],
                verbose_name="minutes",
            ),
        ),
        migrations.AddConstraint(
            model_name="service",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "duration__lte",
                        django.db.models.expressions.CombinedExpression(
                            models.Value(1440), "-", models.F("buffer")
                        ),
                    )
                ),
                name="service_fits_a_day",
                violation_error_message="With the minutes kept free after it, it takes more than a day.",
            ),
        ),
    ]
