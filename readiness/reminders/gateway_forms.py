"""What an office enters for each kind of gateway. Secrets go in and never come out again."""

from typing import Any, ClassVar

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Layout, Submit
from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MinLengthValidator, RegexValidator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from readiness.models import Channel, Gateway
from readiness.reminders import channels
from villages.models import Unit, code_of
from villages.residents import Words

HINT = 4  # characters of a secret that are shown again, to know one from the other
LONG = 12  # of a shorter one they would tell too much
SIGNS = RegexValidator(r"^[\x21-\x7e]+\Z", gettext_lazy("No blanks and no Chinese signs here: copy it once more."))
DIGITS = RegexValidator(r"^[0-9]+\Z", gettext_lazy("Only digits."))


class Secret(forms.CharField):
    """What is never shown again, also not to whoever has just typed it."""

    def __init__(self, *, label: Any, is_hidden: bool = True, **kwargs: Any) -> None:
        widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
        if not is_hidden:  # typed in the open, as it is long; but not shown again either
            widget.input_type = "text"
            widget.attrs = {"autocomplete": "off", "spellcheck": "false"}
        kwargs.setdefault("max_length", 500)
        kwargs.setdefault("validators", [SIGNS])
        super().__init__(label=label, widget=widget, **kwargs)


class GatewayForm(forms.Form):
    """The name and the unit; each kind adds where it is and its secrets.

    Args:
        units: among which to choose; none for a gateway that stays where it is.
        old: the host and the secrets of the gateway that is changed: what stays empty stays as it was.
    """

    channel: ClassVar[Channel]
    where: ClassVar[Any]  # how to come by what is asked for here
    keys: ClassVar[tuple[str, ...]]  # what is sealed; the first gives the hint
    optional: ClassVar[tuple[str, ...]] = ()

    name = Words(
        label=gettext_lazy("Name, to tell it from others"),
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    unit = forms.TypedChoiceField(label=gettext_lazy("For which unit, with all below it"), coerce=code_of)

    def __init__(self, *args: Any, units: list[Unit], old: tuple[str, dict[str, str]] | None = None, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.old_host, self.old = old or ("", {})
        unit: Any = self.fields["unit"]
        unit.choices = [(one.written_code, one.name) for one in units]
        if old is not None:
            del self.fields["unit"]
        elif self.channel.value.endswith("_robot"):
            unit.label = gettext_lazy("Whose group it is")
        for field in self.fields.values():
            if old is not None and isinstance(field, Secret):
                field.required = False
                field.widget.attrs["placeholder"] = gettext_lazy("•••• (empty: stays as it is)")
        for key in self.optional:
            if self.old.get(key):
                self.fields[f"no_{key}"] = forms.BooleanField(
                    label=_("None any more: %(secret)s") % {"secret": self.fields[key].label}, required=False
                )
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.layout = Layout(*self.fields, Submit("save", _("Save")))

    def clean(self) -> dict[str, Any]:
        """Secrets do not go to another host than the one they were entered for: there they are asked for again."""
        data = super().clean() or {}
        if not self.errors:
            self.base, self.secrets = self.taken(data)
            if self.old and self.base == self.old_host:
                self.secrets = self.old | self.secrets
            for key in self.optional:
                if data.get(f"no_{key}"):
                    self.secrets = {name: word for name, word in self.secrets.items() if name != key or data[key]}
            for key in self.keys:
                if key not in self.secrets and key not in self.optional:
                    field = key if key in self.fields else "address"
                    self.add_error(
                        field,
                        _("Enter this again: it was entered for another host, or under another key of this server."),
                    )
        return data

    def taken(self, data: dict[str, Any]) -> tuple[str, dict[str, str]]:
        """Host and secrets, of what was entered."""
        return data["host"], {key: data[key] for key in self.keys if data[key]}

    @property
    def hint(self) -> str:
        """The end of the secret, if it is long enough to lose that."""
        secret = self.secrets[self.keys[0]]
        return secret[-HINT:] if len(secret) >= LONG else ""


class HostForm(GatewayForm):
    """Of an app: its platform's host, which is the usual one unless the office has a platform of its own."""

    usual: ClassVar[str]
    host = forms.CharField(
        label=gettext_lazy("Address of the platform"),
        max_length=180,
        help_text=gettext_lazy("Change it only if your office has a platform of its own."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "url"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["host"].initial = self.old_host or self.usual

    def clean_host(self) -> str:
        """One that the operator allows."""
        try:
            return channels.cleaned(self.cleaned_data["host"]).base
        except ValueError as wrong:
            raise ValidationError(str(wrong)) from None


class AddressForm(GatewayForm):
    """Of a robot or webhook: its whole address, of which a part is the secret."""

    address = Secret(label=gettext_lazy("Its whole address"), is_hidden=False, validators=[])

    def clean_address(self) -> tuple[str, dict[str, str]]:
        """Host and secrets in it; as the platform makes them, and allowed by the operator."""
        raw = self.cleaned_data["address"]
        if not raw:
            return self.old_host, {}
        try:
            return channels.pasted(self.channel, raw)
        except ValueError as wrong:
            raise ValidationError(str(wrong)) from None

    def taken(self, data: dict[str, Any]) -> tuple[str, dict[str, str]]:
        """What is secret of the address belongs to the secrets."""
        host, secrets = data["address"]
        return host, secrets | {key: data[key] for key in self.keys[1:] if data[key]}


class DingTalkForm(HostForm):
    """钉钉 work notices of an app of the office."""

    channel = Channel.DINGTALK
    usual = "https://oapi.dingtalk.com"
    where = gettext_lazy(
        "DingTalk open platform → app development → your office's app → credentials. The app needs the right to send"
        " work notices, and this server's address on its list of server addresses."
    )
    keys = ("app_key", "app_secret", "agent_id")
    app_key = Secret(label="AppKey (Client ID)", is_hidden=False)
    app_secret = Secret(label="AppSecret (Client Secret)")
    agent_id = Secret(label="AgentId", is_hidden=False, max_length=20, validators=[DIGITS])


class WeComForm(HostForm):
    """企业微信 app messages."""

    channel = Channel.WECOM
    usual = "https://qyapi.weixin.qq.com"
    where = gettext_lazy(
        "WeCom admin console: the CorpID stands under “My company”, AgentId and Secret under “App management” → your"
        " app. Add this server's address to the app's trusted addresses, and put the cadres into its visible range."
    )
    keys = ("corp_id", "secret", "agent_id")
    corp_id = Secret(label="CorpID", is_hidden=False)
    secret = Secret(label="Secret")
    agent_id = Secret(label="AgentId", is_hidden=False, max_length=20, validators=[DIGITS])


class FeishuForm(HostForm):
    """飞书 messages of an app."""

    channel = Channel.FEISHU
    usual = "https://open.feishu.cn"
    where = gettext_lazy(
        "Feishu open platform → developer console → your app → credentials. The app needs the robot ability and the"
        " right to send messages as the app, and must be published."
    )
    keys = ("app_id", "app_secret")
    app_id = Secret(label="App ID", is_hidden=False)
    app_secret = Secret(label="App Secret")


class WebhookForm(AddressForm):
    """A plain address of the office's own, such as its SMS gateway."""

    channel = Channel.WEBHOOK
    where = gettext_lazy(
        "Ask whoever runs the SMS gateway for its address. Every message is signed with the secret (HMAC-SHA256), so"
        " that the gateway can tell ours from others; choose it yourself and enter it there too."
    )
    keys = ("path", "secret")
    secret = Secret(
        label=gettext_lazy("Secret for signing"),
        help_text=gettext_lazy("At least 16 characters."),
        validators=[SIGNS, MinLengthValidator(16)],
    )


class DingTalkRobotForm(AddressForm):
    """钉钉 robot of a group."""

    channel = Channel.DINGTALK_ROBOT
    where = gettext_lazy(
        "In the DingTalk group: settings → robots → add → custom. Choose “signing” as the security setting, then copy"
        " the Webhook address and the secret that begins with SEC."
    )
    keys = ("token", "secret")
    optional = ("secret",)
    secret = Secret(label=gettext_lazy("Signing secret (SEC…)"), required=False)


class WeComRobotForm(AddressForm):
    """企业微信 robot of a group."""

    channel = Channel.WECOM_ROBOT
    where = gettext_lazy("In the WeCom group: group settings → group robots → add. Copy the Webhook address.")
    keys = ("key",)


class FeishuRobotForm(AddressForm):
    """飞书 robot of a group."""

    channel = Channel.FEISHU_ROBOT
    where = gettext_lazy(
        "In the Feishu group: settings → group robots → add → custom robot. Tick “signature verification”, then copy"
        " the Webhook address and the key."
    )
    keys = ("token", "secret")
    optional = ("secret",)
    secret = Secret(label=gettext_lazy("Signing secret"), required=False)


KINDS: tuple[type[GatewayForm], ...] = (
    DingTalkForm, WeComForm, FeishuForm, WebhookForm, DingTalkRobotForm, WeComRobotForm, FeishuRobotForm,
)  # fmt: skip
FORMS: dict[str, type[GatewayForm]] = {kind.channel.value: kind for kind in KINDS}


def form_of(gateway: Gateway, data: Any, old: dict[str, str]) -> GatewayForm:
    """To change a gateway: what is secret is not in it."""
    return FORMS[gateway.channel](data, units=[], old=(gateway.host, old), initial={"name": gateway.name})
