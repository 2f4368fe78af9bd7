from django.db import migrations, models

# Closed, and whoever asked or complained was never told: waits again for a look, which comes after the answer.
UNANSWERED = """
    UPDATE checklists_finding SET state = 'fixed', confirmed_by_id = NULL, confirmed_for_id = NULL,
           confirmed_at = NULL, look_back_on = NULL
    WHERE state = 'closed' AND source IN ('help', 'complaint') AND answer = '';
    SET CONSTRAINTS ALL IMMEDIATE; -- a table with checks still to come is not altered
"""


class Migration(migrations.Migration):
    dependencies = [("checklists", "0016_whose_word_a_claim_rests_on")]

    operations = [
        migrations.RunSQL(UNANSWERED, migrations.RunSQL.noop),
        migrations.AddConstraint(
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
