"""Who hears of what happened, how urgently, and where a message about it leads."""

from django.urls import reverse

from readiness.reminders.known import OF_FINDINGS, OF_ROUNDS, TO_DECIDE, Fact

URGENT = frozenset({"chased", "asked_help", "help_late", "answered_help"})
# Who hears of what happened, unless it is meant for one person; if nobody holds a post of these kinds, the next one up.
HEARERS: dict[str, tuple[str, ...]] = {
    "returned": ("first", "direct"),
    "failed": ("first", "direct"),
    "chased": ("first", "direct"),
    "asked_time": ("linked",),
    "asked_help": ("linked",),
    "help_late": ("lead",),
    "measured": ("first", "direct"),
    **OF_FINDINGS,
}


def path_of(facts: list[Fact]) -> str:
    """The page of the one thing that all of them are about, else my tasks."""
    if {fact.what for fact in facts} <= OF_ROUNDS:
        return reverse("rounds")
    if {fact.what for fact in facts} <= TO_DECIDE and len({fact.campaign for fact in facts}) == 1:
        return reverse("measures", args=[facts[0].campaign])
    if len({(fact.task, fact.finding, fact.unit) for fact in facts}) > 1:
        return reverse("my_tasks")
    one = facts[0]
    if one.finding:
        return reverse("finding", args=[one.finding])
    return reverse("task", args=[one.task]) if one.task else reverse("unit_tasks", args=[one.campaign, one.unit])
