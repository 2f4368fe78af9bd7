from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class VillagesConfig(AppConfig):
    """Ground floor: who and where."""

    name = "villages"
    verbose_name = _("Units and cadres")
