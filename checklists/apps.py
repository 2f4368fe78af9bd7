from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ChecklistsConfig(AppConfig):
    """Middle floor: what must be ready, by when, and what was done about it."""

    name = "checklists"
    verbose_name = _("Checklists")
