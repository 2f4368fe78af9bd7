from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_not_required
from django.urls import path, register_converter
from django.views.i18n import set_language

from villages import views
from villages.boundaries import views as boundaries
from villages.converters import UnitCodeConverter
from villages.forms import LoginForm, NewPasswordForm

register_converter(UnitCodeConverter, "unit")

urlpatterns = [
    path(
        "login/", auth.LoginView.as_view(authentication_form=LoginForm, redirect_authenticated_user=True), name="login"
    ),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("password/", auth.PasswordChangeView.as_view(form_class=NewPasswordForm, success_url="/"), name="password"),
    path("language/", login_not_required(set_language), name="language"),
    path("units/", views.units, name="units"),
    path("units/<unit:code>/", views.unit, name="unit"),
    path("units/<unit:code>/boundaries/", boundaries.page, name="boundaries"),
    path("units/<unit:code>/boundaries/remove/", boundaries.remove, name="remove_boundaries"),
]
