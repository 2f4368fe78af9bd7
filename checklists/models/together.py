"""Columns that say one thing together, such as who did something and when."""

from django.db.models import Q


def all_or_none(*columns: str) -> Q:
    """All of these columns are filled in, or none of them."""
    return Q(**{f"{column}__isnull": True for column in columns}) | Q(
        **{f"{column}__isnull": False for column in columns}
    )
