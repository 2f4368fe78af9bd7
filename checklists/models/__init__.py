"""What must be ready, by when, and what was done about it."""

from checklists.models.campaign import Campaign, Responsibility, Template
from checklists.models.change import Change, Extension
from checklists.models.draw import Check, Draw, Relief, Round
from checklists.models.evidence import Evidence, EvidenceUse, StorageLook, Upload, UploadPart
from checklists.models.finding import Finding, FindingEvent, FindingStep
from checklists.models.help import Chase, HelpRequest
from checklists.models.item import Item
from checklists.models.measure import Measure
from checklists.models.phase import Phase
from checklists.models.share import Share
from checklists.models.tally import DayTally, ItemTally, Pulse, Tally
from checklists.models.task import State, Task, TaskEvent

__all__ = [
    "Campaign",
    "Change",
    "Chase",
    "Check",
    "DayTally",
    "Draw",
    "Evidence",
    "EvidenceUse",
    "Extension",
    "Finding",
    "FindingEvent",
    "FindingStep",
    "HelpRequest",
    "Item",
    "ItemTally",
    "Measure",
    "Phase",
    "Pulse",
    "Relief",
    "Responsibility",
    "Round",
    "Share",
    "State",
    "StorageLook",
    "Tally",
    "Task",
    "TaskEvent",
    "Template",
    "Upload",
    "UploadPart",
]
