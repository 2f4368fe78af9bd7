"""Who owes which part of an item's total."""

from django.db import models
from django.db.models import Q

from checklists.models.item import Item
from villages.models import Unit


class Share(models.Model):
    """分解指标: which part of an item's total one unit owes, with everything below it."""

    item = models.ForeignKey(Item, models.CASCADE, related_name="shares")
    unit = models.ForeignKey(Unit, models.PROTECT, related_name="+")
    value = models.DecimalField(max_digits=16, decimal_places=4)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="share_once_per_item_and_unit", fields=["item", "unit"]),
            models.CheckConstraint(name="share_is_not_negative", condition=Q(value__gte=0)),
        ]

    def __str__(self) -> str:
        return f"{self.unit}: {self.value}"
