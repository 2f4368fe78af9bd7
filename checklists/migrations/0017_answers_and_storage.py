from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("checklists", "0016_whose_word_a_claim_rests_on")]

    operations = [
        # What ended unanswered before this stays as it ended, under somebody's name; the next change to it needs the
        # answer, or reopens it.
        AddConstraintNotValid(
            model_name="finding",
            constraint=models.CheckConstraint(
                name="finding_closed_once_answered",
                condition=~models.Q(state="closed", source__in=("help", "complaint")) | ~models.Q(answer=""),
            ),
        ),
        migrations.CreateModel(
            name="StorageLook",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("looked_at", models.PositiveIntegerField()),
                ("left", models.PositiveIntegerField()),
                ("orphans", models.PositiveIntegerField()),
                ("unread", models.PositiveIntegerField()),
            ],
            options={
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="storage_look_is_one")],
            },
        ),
    ]
