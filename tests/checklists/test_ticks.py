"""The verbs on a task."""

from tests import factories


def test_smoke(campaign, as_):
    task = factories.task(campaign)
    answer = as_("lan").post(f"/tasks/{task.pk}/tick/", factories.body())
    assert answer.status_code == 302
    task.refresh_from_db()
    assert task.state == "done"
