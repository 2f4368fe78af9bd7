from django.urls import path

from checklists import people, views
from checklists.setup import answers, items, launching, new, phases, rules, units, what

urlpatterns = [
    path("campaigns/new/", new.new, name="new_campaign"),
    path("campaigns/new/create/", new.create, name="create_campaign"),
    path("campaigns/<int:campaign_id>/setup/", what.what, name="setup"),
    path("campaigns/<int:campaign_id>/setup/items/", items.items, name="setup_items"),
    path("campaigns/<int:campaign_id>/setup/items/<int:item_id>/", items.item, name="setup_item"),
    path("campaigns/<int:campaign_id>/setup/phases/", phases.phases, name="setup_phases"),
    path("campaigns/<int:campaign_id>/setup/phases/<int:phase_id>/", phases.phase, name="setup_phase"),
    path("campaigns/<int:campaign_id>/setup/units/", units.units, name="setup_units"),
    path("campaigns/<int:campaign_id>/setup/answers/", answers.answers, name="setup_answers"),
    path("campaigns/<int:campaign_id>/setup/answers/<unit:code>/", answers.answers_of, name="setup_answers_of"),
    path("campaigns/<int:campaign_id>/setup/rules/", rules.rules, name="setup_rules"),
    path("campaigns/<int:campaign_id>/setup/launch/", launching.launching, name="setup_launch"),
    path("campaigns/<int:campaign_id>/course/", launching.steer, name="course"),
    path("campaigns/<int:campaign_id>/events/", views.events, name="events"),
    path("campaigns/<int:campaign_id>/units/<unit:code>/letter/", views.letter, name="letter"),
    path("units/<unit:code>/people/", people.people, name="people"),
    path("posts/<int:post_id>/first-password/", people.first_password, name="first_password"),
    path("posts/<int:post_id>/end/", people.end, name="end_post"),
    path("posts/<int:post_id>/move/", people.move, name="move_post"),
    path("posts/<int:post_id>/stand-in/", people.stand_in, name="stand_in"),
    path("tasks/<int:task_id>/", views.task_page, name="task"),
    path("tasks/<int:task_id>/tick/", views.tick, name="tick"),
]
