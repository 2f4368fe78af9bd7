from django.urls import path

from checklists import views

urlpatterns = [
    path("tasks/<int:task_id>/", views.task_page, name="task"),
    path("tasks/<int:task_id>/tick/", views.tick, name="tick"),
    path("campaigns/<int:campaign_id>/close/", views.close, name="close"),
    path("campaigns/<int:campaign_id>/events/", views.events, name="events"),
]
