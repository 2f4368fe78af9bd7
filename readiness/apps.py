from django.apps import AppConfig
from django.contrib.staticfiles.apps import StaticFilesConfig
from django.utils.translation import gettext_lazy as _


class ReadinessConfig(AppConfig):
    """Top floor: how far we are, and telling people."""

    name = "readiness"
    verbose_name = _("Readiness")


class StaticFiles(StaticFilesConfig):
    """Publishes, of the fifty megabytes that ECharts brings, the one file that pages use."""

    ignore_patterns = [*StaticFilesConfig.ignore_patterns, "echarts.[!m]*", "extension"]
