from django.urls import path

from checklists import setup_views, views

urlpatterns = [
    path("campaigns/new/", setup_views.new, name="new_campaign"),
    path("campaigns/new/create/", setup_views.create, name="create_campaign"),
    path("campaigns/<int:campaign_id>/setup/", setup_views.setup, name="setup"),
    path("campaigns/<int:campaign_id>/setup/what/", setup_views.what, name="setup_what"),
    path("campaigns/<int:campaign_id>/setup/items/", setup_views.add_item, name="setup_add_item"),
    path("campaigns/<int:campaign_id>/setup/items/<int:item_id>/", setup_views.item, name="setup_item"),
    path("campaigns/<int:campaign_id>/setup/phases/<int:phase_id>/", setup_views.phase, name="setup_phase"),
    path("campaigns/<int:campaign_id>/setup/units/", setup_views.scope, name="setup_units"),
    path("campaigns/<int:campaign_id>/setup/launch/", setup_views.go_live, name="setup_launch"),
    path("tasks/<int:task_id>/", views.task_page, name="task"),
    path("tasks/<int:task_id>/tick/", views.tick, name="tick"),
    path("campaigns/<int:campaign_id>/close/", views.close, name="close"),
    path("campaigns/<int:campaign_id>/events/", views.events, name="events"),
]
