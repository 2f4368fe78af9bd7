"""Forms of two people at once: whoever saves second loses nothing and overwrites nothing unseen."""

from decimal import Decimal
from typing import Any, cast

from django import forms
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.html import format_html_join
from django.utils.translation import gettext as _

from checklists.models import Campaign, Change, Item
from villages import access
from villages.models import Cadre
from villages.residents import no_identity_number


class HeightField(forms.TypedChoiceField):
    """How high a second look must go; with `otherwise`, the words for leaving it to somebody else."""

    def __init__(self, *, otherwise: "str | Promise" = "", **kwargs: Any) -> None:
        choices: list[tuple[int | str, Any]] = [("", otherwise)] if otherwise else []
        super().__init__(
            choices=[*choices, *access.Height.choices],
            coerce=int,
            empty_value=None,
            **{"required": not otherwise} | kwargs,
        )

    def to_python(self, value: Any) -> Any:
        """A number that is one of them; anything else is left for `validate` to refuse."""
        text = str(super().to_python(value))
        return next((height.value for height in access.Height if str(height.value) == text), text or None)


class SeenForm(forms.ModelForm):  # type: ignore[type-arg]
    """A model form that remembers what its sender saw.

    Each field carries the value that stood there when the page was made (Django's hidden initial, which crispy and
    `{{ field }}` put beside it). Fields the sender did not touch keep what another has saved since; a field that both
    changed is refused once, with the other's value and name, and what was typed stays. Load the instance under a lock.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.show_hidden_initial = True
            if isinstance(field, forms.CharField):
                field.validators.append(no_identity_number)
        self.before: dict[str, Any] = {name: getattr(self.instance, name, None) for name in self.fields}

    @property
    def seen(self) -> str:
        """What stood in lists of checkboxes, beside which crispy puts nothing."""
        lists = [field for field in self if isinstance(field.field.widget, forms.CheckboxSelectMultiple)]
        return format_html_join("", "{}", ((field.as_hidden(only_initial=True),) for field in lists))

    def clean(self) -> dict[str, Any]:
        """Takes over what the sender left alone; refuses what both have changed."""
        data = super().clean() or {}
        if not self.instance.pk:
            return data
        for name in list(data):
            field = self[name]
            if field.html_initial_name not in self.data:
                continue
            if name not in self.changed_data:
                data[name] = self.before[name]
                continue
            saw = field.field.to_python(  # not clean(): what stood there may be less than is asked for now
                field.field.hidden_widget().value_from_datadict(self.data, self.files, field.html_initial_name)
            )
            now = self.before[name]
            if now not in (saw, data[name]):
                self.add_error(name, self._told(name, now))
                self._look_again(name)
        return data

    def history(self) -> QuerySet[Change]:
        """What was changed before about what this form changes, the latest first."""
        subject = {"item": self.instance} if isinstance(self.instance, Item) else {}
        campaign = self.instance if isinstance(self.instance, Campaign) else self.instance.campaign
        return Change.objects.filter(campaign=campaign, **subject)

    def readable(self, name: str, value: Any) -> str:
        """A field's value as the history keeps it."""
        return readable(self.instance, name, value)

    def _told(self, name: str, now: Any) -> str:
        """Who changed the field meanwhile, and to what."""
        last = self.history().filter(fields__has_key=name).select_related("by").first()
        who = last.by.name if last and last.by else _("Somebody")
        return _(
            "%(who)s has meanwhile changed this to “%(now)s”. Your entry stands here; save again to replace it."
        ) % {
            "who": who,
            "now": self.readable(name, now),
        }

    def _look_again(self, name: str) -> None:
        """The next time it is sent, the sender has seen what stands there now."""
        hidden = self[name].html_initial_name
        now = self.initial.get(name)
        data = QueryDict(mutable=True)
        data.update(cast(Any, self.data))
        data.setlist(hidden, [str(one) for one in now] if isinstance(now, list) else ["" if now is None else str(now)])
        self.data = data

    def changes(self) -> dict[str, list[str]]:
        """What saving changes: name -> [before, after], as the history keeps it."""
        return {
            name: [self.readable(name, self.before[name]), self.readable(name, value)]
            for name, value in self.cleaned_data.items()
            if self.before[name] != value
        }

    def record(self, *, by: Cadre, campaign: Campaign, what: str = Change.What.EDITED) -> Change | None:
        """Saves, and writes what changed into the campaign's history, under the word `what`; None if nothing did."""
        fields = self.changes()
        self.save()
        if not fields:
            return None
        item = self.instance if isinstance(self.instance, Item) else None
        note = "" if item or isinstance(self.instance, Campaign) else str(self.instance)
        return Change.objects.create(campaign=campaign, by=by, what=what, item=item, fields=fields, note=note)


def readable(instance: Any, name: str, value: Any) -> str:
    """A field's value as the history keeps it: what a person would call it, not its key."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    field = instance._meta.get_field(name)
    choices = dict(getattr(getattr(field, "base_field", field), "flatchoices", ()))
    if isinstance(value, list | tuple):
        return "、".join(str(choices.get(one, one)) for one in value)
    return str(choices.get(value, value))
