"""A task's campaign is its item's campaign: the column is kept twice for speed, so the database holds them together."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("checklists", "0001_initial")]

    operations = [
        migrations.RunSQL(
            sql="""
                ALTER TABLE checklists_task ADD CONSTRAINT task_in_its_items_campaign
                FOREIGN KEY (item_id, campaign_id) REFERENCES checklists_item (id, campaign_id)
                DEFERRABLE INITIALLY DEFERRED
            """,
            reverse_sql="ALTER TABLE checklists_task DROP CONSTRAINT task_in_its_items_campaign",
        )
    ]
