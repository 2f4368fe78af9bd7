from django.urls import path

from checklists import people, verify, views
from checklists.evidence import views as evidence
from checklists.findings import views as findings
from checklists.rounds import planning
from checklists.rounds import views as rounds
from checklists.setup import answers, items, launching, new, newer, phases, rules, shares, templates, units, what

urlpatterns = [
    path("campaigns/new/", new.new, name="new_campaign"),
    path("campaigns/new/create/", new.create, name="create_campaign"),
    path("campaigns/<int:campaign_id>/setup/", what.what, name="setup"),
    path("campaigns/<int:campaign_id>/setup/template/", templates.save, name="setup_template"),
    path("campaigns/<int:campaign_id>/setup/newer/", newer.newer, name="setup_newer"),
    path("campaigns/<int:campaign_id>/setup/items/", items.items, name="setup_items"),
    path("campaigns/<int:campaign_id>/setup/items/order/", items.order, name="setup_order"),
    path("campaigns/<int:campaign_id>/setup/items/bulk/", items.several, name="setup_bulk"),
    path("campaigns/<int:campaign_id>/setup/items/paste/", items.paste, name="setup_paste"),
    path("campaigns/<int:campaign_id>/setup/items/<int:item_id>/", items.item, name="setup_item"),
    path("campaigns/<int:campaign_id>/setup/items/<int:item_id>/strike/", items.strike, name="setup_strike"),
    path("campaigns/<int:campaign_id>/setup/items/<int:item_id>/shares/", shares.shares, name="setup_shares"),
    path("campaigns/<int:campaign_id>/setup/phases/", phases.phases, name="setup_phases"),
    path("campaigns/<int:campaign_id>/setup/phases/<int:phase_id>/", phases.phase, name="setup_phase"),
    path(
        "campaigns/<int:campaign_id>/setup/phases/<int:phase_id>/remove/",
        phases.remove_phase,
        name="setup_remove_phase",
    ),
    path("campaigns/<int:campaign_id>/setup/phases/<int:phase_id>/gates/", phases.gates, name="setup_gates"),
    path(
        "campaigns/<int:campaign_id>/setup/phases/<int:phase_id>/close/", phases.close_phase, name="setup_close_phase"
    ),
    path(
        "campaigns/<int:campaign_id>/setup/phases/<int:phase_id>/reopen/",
        phases.reopen_phase,
        name="setup_reopen_phase",
    ),
    path("campaigns/<int:campaign_id>/setup/phases/items/", phases.places, name="setup_places"),
    path("campaigns/<int:campaign_id>/setup/units/", units.units, name="setup_units"),
    path("campaigns/<int:campaign_id>/setup/answers/", answers.answers, name="setup_answers"),
    path("campaigns/<int:campaign_id>/setup/answers/<unit:code>/", answers.answers_of, name="setup_answers_of"),
    path("campaigns/<int:campaign_id>/setup/rules/", rules.rules, name="setup_rules"),
    path("campaigns/<int:campaign_id>/setup/launch/", launching.launching, name="setup_launch"),
    path("campaigns/<int:campaign_id>/course/", launching.steer, name="course"),
    path("campaigns/<int:campaign_id>/events/", views.events, name="events"),
    path("templates/<int:template_id>/", templates.template, name="template"),
    path("campaigns/<int:campaign_id>/units/<unit:code>/letter/", views.letter, name="letter"),
    path("units/<unit:code>/people/", people.people, name="people"),
    path("posts/<int:post_id>/first-password/", people.first_password, name="first_password"),
    path("posts/<int:post_id>/end/", people.end, name="end_post"),
    path("posts/<int:post_id>/move/", people.move, name="move_post"),
    path("posts/<int:post_id>/stand-in/", people.stand_in, name="stand_in"),
    path("verify/", verify.verify, name="verify"),
    path("campaigns/<int:campaign_id>/rounds/", planning.campaign_rounds, name="campaign_rounds"),
    path("rounds/", rounds.mine, name="rounds"),
    path("rounds/<int:round_id>/", rounds.visit, name="round"),
    path("rounds/<int:round_id>/checks/", rounds.checks, name="round_checks"),
    path("rounds/<int:round_id>/finish/", rounds.finish, name="finish_round"),
    path("rounds/<int:round_id>/inspectors/", planning.relieve, name="relieve"),
    path("tasks/<int:task_id>/", views.task_page, name="task"),
    path("tasks/<int:task_id>/tick/", views.tick, name="tick"),
    path("tasks/<int:task_id>/more-time/", views.more_time, name="more_time"),
    path("tasks/<int:task_id>/help/", views.ask_help, name="ask_help"),
    path("help/<int:request_id>/answer/", views.answer_help, name="answer_help"),
    path("tasks/<int:task_id>/chase/", views.chase, name="chase"),
    path("extensions/<int:extension_id>/answer/", views.answer_extension, name="answer_extension"),
    path("campaigns/<int:campaign_id>/findings/new/", findings.new_finding, name="new_finding"),
    path("findings/<int:finding_id>/", findings.finding_page, name="finding"),
    path("findings/<int:finding_id>/proofs/", evidence.finding_proofs, name="finding_proofs"),  # before the verbs
    path("findings/<int:finding_id>/<slug:verb>/", findings.finding_verb, name="finding_verb"),
    path("tasks/<int:task_id>/proofs/", evidence.task_proofs, name="task_proofs"),
    path("checks/<uuid:check_id>/proofs/", evidence.check_proofs, name="check_proofs"),
    path("uploads/<uuid:upload_id>/", evidence.upload, name="upload"),
    path("proofs/<uuid:proof_id>/", evidence.proof, name="proof"),
    path("proofs/<uuid:proof_id>/thumbnail/", evidence.thumbnail, name="thumbnail"),
    path("proofs/<uuid:proof_id>/take-back/", evidence.take_back, name="take_back_proof"),
    path("campaigns/<int:campaign_id>/units/<unit:code>/proofs.zip", evidence.all_proofs, name="all_proofs"),
]
