"""Log-in by log-in name or mobile number."""

from django.contrib.auth.backends import BaseBackend
from django.db.models import Q
from django.http import HttpRequest

from villages.models import Cadre


class NameOrPhone(BaseBackend):
    """Log-in by log-in name or mobile number."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **_: object
    ) -> Cadre | None:
        """The cadre, or None. Costs one hash whether or not the name exists, so that time tells nothing."""
        if not username or password is None:
            return None
        cadre = Cadre.objects.filter(Q(username=username) | Q(phone=username)).first()
        if cadre is None:
            Cadre().set_password(password)
            return None
        return cadre if cadre.check_password(password) and cadre.is_active else None

    def get_user(self, user_id: int) -> Cadre | None:
        """The cadre of a session, while they may log in, with their grants in the same query."""
        return Cadre.objects.in_session(user_id)
