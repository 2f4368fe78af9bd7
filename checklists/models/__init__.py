"""What must be ready, by when, and what was done about it."""

from checklists.models.campaign import Campaign, Phase, Responsibility, Template
from checklists.models.change import Change, Extension
from checklists.models.help import Chase, HelpRequest
from checklists.models.item import Item
from checklists.models.share import Share
from checklists.models.tally import DayTally, ItemTally, Pulse, Tally
from checklists.models.task import State, Task, TaskEvent

__all__ = [
    "Campaign",
    "Change",
    "Chase",
    "DayTally",
    "Extension",
    "HelpRequest",
    "Item",
    "ItemTally",
    "Phase",
    "Pulse",
    "Responsibility",
    "Share",
    "State",
    "Tally",
    "Task",
    "TaskEvent",
    "Template",
]
