"""Every address of the house. tests/test_access_matrix.py says who gets which answer at each."""

from django.urls import include, path

from readiness import health
from readiness.boards import board, ledger, measures, passes, unit, wall
from readiness.boards import map as maps
from readiness.boards import views as boards
from readiness.draws import views as draws
from readiness.reminders import feed, gateways, rules, sent, state, wishes
from readiness.reminders import views as reminders
from villages import urls as front_door  # registers the <unit:…> converter

handler403 = "readiness.http.forbidden"
handler404 = "readiness.http.not_found"
handler500 = "readiness.http.broken"

urlpatterns = [
    path("", boards.home, name="home"),
    path("tasks/", boards.my_tasks, name="my_tasks"),
    path("campaigns/", boards.campaigns, name="campaigns"),
    path("campaigns/<int:campaign_id>/", board.board, name="board"),
    path("campaigns/<int:campaign_id>/shapes/", maps.shapes, name="shapes"),
    path("campaigns/<int:campaign_id>/table/", board.table, name="board_table"),
    path("campaigns/<int:campaign_id>/tasks/", boards.campaign_tasks, name="campaign_tasks"),
    path("campaigns/<int:campaign_id>/wall/", wall.wall, name="wall"),
    path("campaigns/<int:campaign_id>/wall/<str:token>/", wall.wall_pass, name="wall_pass"),
    path("campaigns/<int:campaign_id>/passes/", passes.passes, name="passes"),
    path("campaigns/<int:campaign_id>/passes/<int:pass_id>/revoke/", passes.revoke, name="revoke_pass"),
    path("campaigns/<int:campaign_id>/units/<unit:code>/", unit.unit_page, name="unit_tasks"),
    path("campaigns/<int:campaign_id>/units/<unit:code>/chase/", unit.chase_unit, name="chase_unit"),
    path("campaigns/<int:campaign_id>/measures/", measures.measures, name="measures"),
    path("campaigns/<int:campaign_id>/measures/table/", measures.table, name="measures_table"),
    path("measures/<int:measure_id>/decide/", measures.decide, name="decide_measure"),
    path("measures/<int:measure_id>/object/", measures.object_to, name="object_to_measure"),
    path("measures/<int:measure_id>/answer/", measures.answer, name="answer_objection"),
    path("campaigns/<int:campaign_id>/findings/", ledger.findings, name="findings"),
    path("campaigns/<int:campaign_id>/findings/table/", ledger.table, name="findings_table"),
    path("campaigns/<int:campaign_id>/notices/", sent.notices, name="notices"),
    path("campaigns/<int:campaign_id>/notices/resend/", sent.resend, name="resend"),
    path("campaigns/<int:campaign_id>/reminders/", rules.rules, name="reminder_rules"),
    path("state/", state.state, name="state"),
    path("state/release/", state.release, name="release"),
    path("inbox/", reminders.inbox, name="inbox"),
    path("inbox/read/", reminders.read, name="inbox_read"),
    path("me/notices/", wishes.wishes, name="wishes"),
    path("me/notices/test/", wishes.test, name="test_wishes"),
    path("me/notices/calendar/", wishes.calendar, name="my_calendar"),
    path("calendar/<str:token>.ics", feed.feed, name="calendar"),
    path("gateways/", gateways.gateways, name="gateways"),
    path("gateways/new/", gateways.new, name="new_gateway"),
    path("gateways/<int:gateway_id>/", gateways.change, name="gateway"),
    path("gateways/<int:gateway_id>/remove/", gateways.remove, name="remove_gateway"),
    path("gateways/<int:gateway_id>/test/", gateways.test, name="test_gateway"),
    path("campaigns/<int:campaign_id>/robots/", gateways.robots, name="robots"),
    path("campaigns/<int:campaign_id>/draws/", draws.of_campaign, name="draws"),
    path("campaigns/<int:campaign_id>/draws/new/", draws.new, name="new_draw"),
    path("draws/<int:draw_id>/", draws.draw, name="draw"),
    path("draws/<int:draw_id>/number/", draws.give_number, name="give_number"),
    path("draws/<int:draw_id>/list.txt", draws.list_file, name="draw_list"),
    path("healthz", health.healthz, name="healthz"),
    path("", include("checklists.urls")),
    path("", include(front_door)),
]
