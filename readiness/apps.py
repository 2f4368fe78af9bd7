from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ReadinessConfig(AppConfig):
    """Top floor: how far we are, and telling people."""

    name = "readiness"
    verbose_name = _("Readiness")
