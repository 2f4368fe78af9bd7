"""The front door's forms and the search for units."""

from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Layout, Submit
from django import forms
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.core.validators import MaxLengthValidator
from django.utils.translation import gettext_lazy as _


class LoginForm(AuthenticationForm):
    """Log-in by log-in name or mobile number."""

    error_messages = {
        "invalid_login": _("Name or password is wrong. Mind upper and lower case; your admin can set a new password."),
        "inactive": _("This person may not log in any more. Ask your admin."),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = _("Log-in name or mobile number")
        # Checking a megabyte of password would only keep the machine busy.
        self.fields["password"].validators.append(MaxLengthValidator(1000))
        self.helper = FormHelper()
        self.helper.form_tag = False  # the page adds where to go on
        self.helper.layout = Layout("username", "password", Submit("submit", _("Log in"), css_class="w-100 btn-lg"))


class NewPasswordForm(PasswordChangeForm):
    """Change of one's own password; ends the person's other sessions."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = FormHelper()
        self.helper.layout = Layout(
            "old_password", "new_password1", "new_password2", Submit("submit", _("Change password"))
        )


class UnitFilter(forms.Form):
    """Where and what to look for."""

    under = forms.RegexField(r"^[0-9DS]{2,20}$", required=False, widget=forms.HiddenInput)
    q = forms.CharField(
        label=_("Name or code"),
        max_length=60,
        required=False,
        widget=forms.TextInput(attrs={"type": "search", "class": "form-control"}),
    )
