from django.db import migrations, models

from clinic.triggers import postgresql


class Migration(migrations.Migration):
    dependencies = [("clinic", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="CacheEntry",
            fields=[
                ("key", models.CharField(max_length=255, primary_key=True, serialize=False)),
                ("value", models.TextField()),
                ("expires", models.FloatField(db_index=True)),
            ],
        ),
        postgresql(
            "ALTER TABLE clinic_cacheentry SET UNLOGGED",  # a count is not worth a flush
            "ALTER TABLE clinic_cacheentry SET LOGGED",
        ),
    ]
