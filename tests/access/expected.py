"""Who gets which answer where, written down by hand and without asking the policy (villages/access/)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from tests.access.world import HOSTS, NEVER, NEVER_CODES, NO_FILE, PLACES, POSTS, ROUNDS, SENT

# What each person may do at each place: s sees it, o owes its tasks, t ticks, c checks (verifies, returns), w waives,
# k chases and answers calls for help, f enters findings and confirms what was put right, p sees telephone numbers in
# full, a appoints and ends posts, d decides measures, l leads it (and like whoever owes or ticks there objects to its
# measures), r plans rounds there and announces draws among its units, n gives numbers for them. Before that, where
# their posts are.
#
#   lan    village cadre of Willow      bao   staff of East Township         mei  leader of the county
#   hong   village cadre of Maple       tang  leader of East Township        ada  campaign admin of the county
#   lin    linked to Willow and Maple   deng  cadre of a county department   su   supervisor of the county
#   qin    cadre of the site in Willow  he    village cadre of Willow and    an   auditor of the county
#   wang   village cadre in the West          supervisor of the county       chen village cadre in another county
#
# Without a post that counts today: nobody never had one, left and gone had one until today and until yesterday,
# early gets one tomorrow.
AT_PLACES = """
       post          market    willow    maple     east      lake      west      bureau    county    city bridge street river
lan    willow        sotp      sotp      -         -         -         -         -         -         -    -      -      -
hong   maple         -         -         sotp      -         -         -         -         -         -    -      -      -
lin    willow,maple  sotcwkfp  sotcwkfp  sotcwkfp  -         -         -         -         -         -    -      -      -
qin    market        sotp      -         -         -         -         -         -         -         -    -      -      -
wang   lake          -         -         -         -         sotp      -         -         -         -    -      -      -
bao    east          stcwkfp   stcwkfp   stcwkfp   sotp      -         -         -         -         -    -      -      -
tang   east          scwkfpdn  scwkfpdn  scwkfpdn  scwkfpln  -         -         -         -         -    -      -      -
deng   bureau        -         -         -         -         -         -         sotp      -         -    -      -      -
he     willow,county sotcfprn  sotcfprn  scfrn     scfrn     scfrn     scfrn     scfrn     scfrn     -    -      -      -
mei    county        skfpdn    skfpdn    skfpdn    skfpdn    skfpdn    skfpdn    skfpdn    skfpln    -    -      -      -
ada    county        scwkfparn scwkfparn scwkfparn scwkfparn scwkfparn scwkfparn scwkfparn scwkfparn -    -      -      -
su     county        scfrn     scfrn     scfrn     scfrn     scfrn     scfrn     scfrn     scfrn     -    -      -      -
an     county        s         s         s         s         s         s         s         s         -    -      -      -
chen   bridge        -         -         -         -         -         -         -         -         -    sotp   -      -
nobody -             -         -         -         -         -         -         -         -         -    -      -      -
left   willow        -         -         -         -         -         -         -         -         -    -      -      -
gone   county        -         -         -         -         -         -         -         -         -    -      -      -
early  county        -         -         -         -         -         -         -         -         -    -      -      -
"""  # noqa: E501

# What each person may do with a campaign: s sees it, l looks at what was sent to whom, r runs (closes) it. "east" is
# run by East Township, "far" by the other county; the others by the county and what is above it.
WITH_CAMPAIGNS = """
        county  draft   closed  east    city    province  far   far_draft
lan     s       -       s       s       s       s         -     -
hong    s       -       s       s       s       s         -     -
lin     s       -       s       s       s       s         -     -
qin     s       -       s       s       s       s         -     -
wang    s       -       s       -       s       s         -     -
bao     s       -       s       s       s       s         -     -
tang    s       -       s       sl      s       s         -     -
deng    s       -       s       -       s       s         -     -
he      s       -       s       s       s       s         -     -
mei     sl      -       sl      sl      s       s         -     -
ada     slr     slr     slr     slr     s       s         -     -
su      s       -       s       s       s       s         -     -
an      s       -       s       s       s       s         -     -
chen    -       -       -       -       -       s         s     -
nobody  -       -       -       -       -       -         -     -
left    -       -       -       -       -       -         -     -
gone    -       -       -       -       -       -         -     -
early   -       -       -       -       -       -         -     -
"""

# What a person needs to bring a task from where it stands (left) to another state (top).
# = it is so already; - there is no such step (409).
STEPS_OF_A_TASK = """
          open  done  verified  returned  waived
open      t     t     -         -         w
done      t     t     c         c         w
verified  -     -     c         c         -
returned  -     t     -         t         w
waived    w     -     -         -         =
"""
# Whoever has none of these never gets a task to this state and is told so (403), wherever the task stands.
LEADS_TO = {"open": "tw", "done": "t", "verified": "c", "returned": "ct", "waived": "w"}


# From how high a second look by each comes: 1 linked cadre, 2 township, 3 departments of the county, 4 the county.
LOOKS_FROM = {"lin": 1, "bao": 2, "tang": 2, "su": 3, "he": 3, "ada": 4}


def grid(text: str) -> dict[str, dict[str, str]]:
    """Rows and columns by their names."""
    head, *rows = text.strip("\n").splitlines()
    columns = head.replace("at \\ to", "").split()
    found = {}
    for row in rows:
        name, *cells = row.split()
        found[name] = dict(zip(columns, cells, strict=True))
    return found


MAY = {who: {place: may.strip("-") for place, may in row.items()} for who, row in grid(AT_PLACES).items()}
AT = {who: [PLACES[place] for place in row.pop("post").split(",") if place] for who, row in MAY.items()}
CAMPAIGNS = {who: {name: may.strip("-") for name, may in row.items()} for who, row in grid(WITH_CAMPAIGNS).items()}
STEPS = grid(STEPS_OF_A_TASK)
MEMBERS = list(MAY)
STRANGERS = ["anonymous", "barred"]  # barred was logged in when the right to log in was taken away
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
UNDER = {
    "county": {"market", "willow", "maple", "east", "lake", "west", "bureau", "county"},
    "east": {"market", "willow", "maple", "east"},
    "far": {"bridge", "street", "river"},
}
UNDER |= {"draft": UNDER["county"], "closed": UNDER["county"], "far_draft": UNDER["far"]}
UNDER |= {"city": UNDER["county"] | {"city"}, "province": UNDER["county"] | UNDER["far"] | {"city"}}

Outcome = int | str
Rule = Callable[..., Outcome]


def page(who: str) -> Outcome:
    return 200


def refused(who: str) -> Outcome:
    """An empty form."""
    return 422


def moved(who: str) -> Outcome:
    return 302


def no_method(who: str, *ids: object) -> Outcome:
    return 405


def only_strangers(who: str) -> Outcome:
    """The log-in page; whoever is logged in is sent on."""
    return 302 if who in MEMBERS else 200


def checks_some(who: str, *, then: Outcome) -> Outcome:
    """The queue of claims is for whoever checks anywhere."""
    return then if any("c" in may for may in MAY[who].values()) else 403


def sees_campaign(who: str, campaign: object) -> Outcome:
    return 200 if "s" in CAMPAIGNS[who].get(campaign, "") else 404


def steers(who: str, campaign: object) -> Outcome:
    """An empty form does not say where to."""
    may = CAMPAIGNS[who].get(campaign, "")
    return 422 if "r" in may else 403 if "s" in may else 404


def looks(who: str, campaign: object) -> Outcome:
    """What was sent to whom is for those who lead or run it."""
    may = CAMPAIGNS[who].get(campaign, "")
    return 200 if "l" in may else 403 if "s" in may else 404


def rounds_of(who: str, campaign: object, *, planned: Outcome = 403) -> Outcome:
    """Rounds are planned by admins and supervisors, and seen before they are over also by who leads the host."""
    may = CAMPAIGNS[who].get(campaign, "")
    return 404 if "s" not in may else planned if plans(who) else 200 if "l" in may and planned == 200 else 403


def plans(who: str) -> bool:
    """Rounds and draws, somewhere; whoever does, does so in the whole county."""
    return any("r" in may for may in MAY[who].values())


def on_round(who: str, name: object, *, sent: Outcome, told: Outcome, done: Outcome) -> Outcome:
    """`sent`: its inspectors; `told`: who sees it besides (of one that is over: `done`, for all who see the unit)."""
    if name not in ROUNDS:
        return 404
    place, is_over = ROUNDS[str(name)]
    if who in SENT[str(name)]:
        return sent if AT[who] and who not in ("left", "gone") else 403
    may = MAY[who].get(place, "")
    if is_over:
        return done if "s" in may else 404
    leads = "l" in CAMPAIGNS[who]["far" if place == "bridge" else "county"]
    return told if "s" in may and ("r" in may or leads) else 404


def ends_round(who: str, name: object, *, then: Outcome) -> Outcome:
    """By its inspectors and who plans rounds there; one that is over leads back to its page."""
    may_plan = name in ROUNDS and plans(who)
    is_over = name in ROUNDS and ROUNDS[str(name)][1]
    may = 302 if is_over else then
    return on_round(who, name, sent=may, told=may if may_plan else 403, done=302 if may_plan else 403)


def relieves(who: str, name: object, *, then: Outcome) -> Outcome:
    """Who goes on a round is changed by who plans rounds there, its inspectors or not; of one that is over, not."""
    may_plan = plans(who)
    return on_round(who, name, sent=403, told=then if may_plan else 403, done=302 if may_plan else 403)


def starts(who: str, *, then: Outcome) -> Outcome:
    """New campaigns are for whoever runs some."""
    return then if any("r" in may for may in CAMPAIGNS[who].values()) else 403


def sees_template(who: str, template: object) -> Outcome:
    """For whoever runs campaigns: the speeches, and the templates of the offices above and below."""
    runs = any("r" in may for may in CAMPAIGNS[who].values())
    return 200 if runs and template in ("speech", "county", "east", "city") else 404


def saves(who: str, campaign: object, *, then: Outcome) -> Outcome:
    """A closed campaign, too, can become a template."""
    may = CAMPAIGNS[who].get(campaign, "")
    return then if "r" in may else 403 if "s" in may else 404


def sets_up(who: str, campaign: object, part: object = None, *, then: Outcome, closed: Outcome = 403) -> Outcome:
    """Campaigns are set up by whoever runs them, a closed one no more; a part of another is not there."""
    may = CAMPAIGNS[who].get(campaign, "")
    if "s" not in may:
        return 404
    if "r" not in may:
        return 403
    if campaign == "closed":
        return closed
    return then if part in (None, campaign) else 404


def opens(who: str, campaign: object, token: object) -> Outcome:
    """A pass is for everybody who knows it, for its own campaign, once that is launched."""
    return 200 if campaign == token in HOSTS and "draft" not in str(campaign) else 404


def connects(who: str, gateway: object, *, then: Outcome) -> Outcome:
    """A gateway exists for whoever runs campaigns of its unit, a robot for whoever runs its campaign."""
    name = str(gateway)
    if name.startswith("robot "):
        return then if "r" in CAMPAIGNS[who].get(name.removeprefix("robot "), "") else 404
    # Whoever appoints at a place runs its campaigns.
    return then if "a" in MAY[who].get(gateway, "") else 404


def reads_calendar(who: str, secret: object) -> Outcome:
    """A calendar is for everybody who knows its address, also when its owner has left."""
    return 200 if secret in (*MEMBERS, "barred") else 404


def sees_unit(who: str, place: object) -> Outcome:
    return 200 if "s" in MAY[who].get(place, "") else 404


def sees_host(who: str, campaign: object) -> Outcome:
    """The shapes on the map of a campaign's host: for those who see the host itself. Nobody here sees a province."""
    place = {code: place for place, code in PLACES.items()}.get(HOSTS.get(str(campaign), ""))
    return 200 if sees_campaign(who, campaign) == sees_unit(who, place) == 200 else 404


def appoints(who: str, place: object, *, then: Outcome) -> Outcome:
    """Posts of a unit are for who appoints there; an empty form is refused."""
    may = MAY[who].get(place, "")
    return 404 if "s" not in may else then if "a" in may else 403


def staffs(**then: Outcome) -> dict[str, Rule]:
    """By method, what a page about posts answers to who appoints."""
    return {method: partial(appoints, then=answer) for method, answer in then.items()}


def asks_time(who: str, task: object) -> Outcome:
    """More time is asked for by whoever ticks, and given by whoever waives; an empty form is refused."""
    may = MAY[who].get(task[1], "") if isinstance(task, tuple) else ""
    return 404 if "s" not in may else 422 if set("tw") & set(may) else 403


def answers_request(who: str, place: object) -> Outcome:
    may = MAY[who].get(place, "")
    return 404 if "s" not in may else 422 if "w" in may else 403


def calls_for_help(who: str, task: object) -> Outcome:
    """Help is called for by whoever ticks; an empty form is refused."""
    may = MAY[who].get(task[1], "") if isinstance(task, tuple) else ""
    return 404 if "s" not in may else 422 if "t" in may else 403


def answers_call(who: str, place: object) -> Outcome:
    may = MAY[who].get(place, "")
    return 404 if "s" not in may else 422 if "k" in may else 403


def decides(who: str, place: object) -> Outcome:
    """Measures are decided, and objections answered, by leaders above the unit; an empty form is refused."""
    may = MAY[who].get(place, "")
    return 404 if "s" not in may else 422 if "d" in may else 403


def objects(who: str, place: object) -> Outcome:
    may = MAY[who].get(place, "")
    return 404 if "s" not in may else 422 if set("otl") & set(may) else 403


def closes_phase(who: str, campaign: object, part: object = None) -> Outcome:
    """A phase without gates closes; one of a draft does not."""
    got = sets_up(who, campaign, part, then=302)
    return 422 if got == 302 and "draft" in str(campaign) else got


def chases(who: str, task: object) -> Outcome:
    may = MAY[who].get(task[1], "") if isinstance(task, tuple) else ""
    return 404 if "s" not in may else 422 if "k" in may else 403


# What is done by whoever does the work, by whoever looks after the unit, or by both.
VERBS = {"fixed": "t", "sent_back": "f", "handed_over": "tf", "forgotten": ""}


def sees_finding(who: str, place: object) -> Outcome:
    """Findings of the county's and the other county's campaign, one at each place."""
    return sees_unit(who, place)


def does(who: str, place: object, verb: object) -> Outcome:
    """An empty form is refused; a verb that there is not is not there."""
    may = MAY[who].get(place, "")
    if "s" not in may or not VERBS[str(verb)]:
        return 404
    return 422 if set(VERBS[str(verb)]) & set(may) else 403


def enters(who: str, campaign: object, *, then: Outcome) -> Outcome:
    """Findings are entered by whoever looks after some unit of the campaign; an empty form does not say which."""
    if sees_campaign(who, campaign) == 404:
        return 404
    return then if any("f" in MAY[who][place] for place in UNDER[str(campaign)]) else 403


def chases_unit(who: str, campaign: object, place: object) -> Outcome:
    seen = sees_unit_in_campaign(who, campaign, place)
    return seen if seen == 404 else 422 if "k" in MAY[who][str(place)] else 403


def sees_draw(who: str, place: object) -> Outcome:
    """A draw is there for who sees the unit whose units it is among, or has a post below it."""
    holds_post = any("s" in may for may in MAY[who].values())
    below = holds_post and place in PLACES and any(post.startswith(PLACES[str(place)]) for post in AT[who])
    return 200 if below else sees_unit(who, place)


def gives_number(who: str, place: object) -> Outcome:
    may = MAY[who].get(place, "")
    return 404 if sees_draw(who, place) == 404 else 422 if "n" in may else 403


def announces(who: str, campaign: object, *, then: Outcome) -> Outcome:
    """Draws are announced by who may somewhere, while the campaign is under way."""
    if sees_campaign(who, campaign) == 404:
        return 404
    return then if plans(who) and campaign not in ("draft", "closed", "far_draft") else 403


def sees_proof(who: str, place: object) -> Outcome:
    return sees_unit(who, place)


def adds_proof(who: str, task: object) -> Outcome:
    """Proof of a task is added by whoever ticks or checks; an empty form is refused."""
    may = MAY[who].get(task[1], "") if isinstance(task, tuple) else ""
    return 404 if "s" not in may else 422 if set("tc") & set(may) else 403


def adds_proof_at(who: str, place: object) -> Outcome:
    """To a finding likewise."""
    return adds_proof(who, ("county", place))


def adds_proof_to_check(who: str, place: object) -> Outcome:
    """To what Su saw: Su, also where no post of hers covers the unit."""
    if place not in PLACES:
        return 404
    return 422 if who == "su" else 403 if "s" in MAY[who].get(place, "") else 404


def takes_back(who: str, place: object) -> Outcome:
    """Only Left, who has left, could."""
    return 403 if "s" in MAY[who].get(place, "") else 404


def asks_upload(who: str, upload: object, *, then: Outcome) -> Outcome:
    """A file on its way exists for its sender."""
    return then if who == upload else 404


def takes_all_proofs(who: str, campaign: object, place: object) -> Outcome:
    """For those who check or lead."""
    seen = sees_unit_in_campaign(who, campaign, place)
    return seen if seen == 404 else 200 if set("ck") & set(MAY[who][str(place)]) else 403


def sees_unit_in_campaign(who: str, campaign: object, place: object) -> Outcome:
    both = sees_campaign(who, campaign) == sees_unit(who, place) == 200
    return 200 if both and place in UNDER[str(campaign)] else 404


def sees_task(who: str, task: object) -> Outcome:
    return sees_unit(who, task[1]) if isinstance(task, tuple) else 404


def claims(who: str, task: object) -> Outcome:
    return takes_step(who, *task[:2], at="open", to="done") if isinstance(task, tuple) else 404


def takes_step(who: str, campaign: str, place: str, *, at: str, to: str, mine: bool = False) -> Outcome:
    """The answer to bringing a task from a state to a state; who ticked it (`mine`) cannot check it."""
    may = MAY[who].get(place, "")
    if "s" not in may:
        return 404
    if mine:
        may = may.replace("c", "")
    if not set(LEADS_TO[to]) & set(may):
        return 403
    if campaign == "closed":
        return 409
    step = STEPS[at][to]
    if step in "=-":
        return 302 if step == "=" else 409
    return 302 if step in may else 403


@dataclass(frozen=True)
class Route:
    """What an address answers to those who are logged in."""

    of: str  # what its parameters name
    answers: dict[str, Rule]  # by method
    otherwise: Rule = no_method
    public: bool = False  # else strangers are sent to the log-in page; their forms are refused


def reads(rule: Rule) -> dict[str, Rule]:
    return {"GET": rule, "HEAD": rule}


def writes(rule: Rule) -> dict[str, Rule]:
    return {"POST": rule}


def names(who: str, campaign: object, place: object, *, then: Outcome) -> Outcome:
    """Who answers for one unit is said by whoever runs the campaign, also while it runs; not once it is closed."""
    may = CAMPAIGNS[who].get(campaign, "")
    if "s" not in may:
        return 404
    if "r" not in may or campaign == "closed":
        return 403
    return then if sees_unit_in_campaign(who, campaign, place) == 200 else 404


def edits(**then: Outcome) -> dict[str, Rule]:
    """By method, what setting up answers: pages come, an empty form is refused, a launch moves on."""
    return {method: partial(sets_up, then=answer) for method, answer in then.items()}


ROUTES = {
    "new_campaign": Route("", reads(partial(starts, then=200))),
    "create_campaign": Route("", writes(partial(starts, then=422))),
    "setup": Route("campaign", edits(GET=200, HEAD=200, POST=422)),
    "setup_template": Route("step", reads(partial(saves, then=200)) | writes(partial(saves, then=422))),
    "setup_newer": Route("step", edits(GET=200, HEAD=200, POST=409)),  # there is no newer version
    "template": Route("template", reads(sees_template)),
    "setup_items": Route("step", edits(GET=200, HEAD=200, POST=422)),
    "setup_item": Route("campaign item", edits(GET=200, HEAD=200, POST=422)),
    "setup_strike": Route("campaign item", edits(POST=422)),
    "setup_shares": Route("campaign item", edits(GET=200, HEAD=200, POST=422)),
    "setup_order": Route("step", edits(POST=422)),
    "setup_bulk": Route("step", edits(POST=422)),
    "setup_paste": Route("step", edits(POST=422)),
    "setup_phases": Route("step", edits(GET=200, HEAD=200, POST=422)),
    "setup_phase": Route("campaign phase", edits(POST=422)),
    "setup_remove_phase": Route("campaign phase", edits(POST=302)),  # no item uses it
    "setup_gates": Route("campaign phase", edits(POST=302)),
    "setup_close_phase": Route("campaign phase", writes(closes_phase)),
    "setup_reopen_phase": Route("campaign phase", edits(POST=422)),
    "measures": Route("campaign", reads(sees_campaign)),
    "measures_table": Route("campaign", reads(sees_campaign)),
    "decide_measure": Route("measure", writes(decides)),
    "object_to_measure": Route("measure", writes(objects)),
    "answer_objection": Route("measure", writes(decides)),  # nobody has decided here yet
    "setup_places": Route("step", edits(POST=422)),
    "setup_units": Route("step", edits(GET=200, HEAD=200, POST=422)),
    "setup_answers": Route("step", edits(GET=200, HEAD=200, POST=302)),
    "setup_answers_of": Route("campaign unit", reads(partial(names, then=200)) | writes(partial(names, then=422))),
    "setup_rules": Route("step", edits(GET=200, HEAD=200, POST=422)),
    "setup_launch": Route("step", edits(POST=302) | reads(partial(sets_up, then=200, closed=200))),
    "letter": Route("campaign unit", reads(sees_unit_in_campaign)),
    "people": Route("unit", staffs(GET=200, HEAD=200, POST=422)),
    "first_password": Route("post", staffs(POST=302)),  # everybody here has one
    "end_post": Route("post", staffs(GET=200, HEAD=200, POST=422)),
    "move_post": Route("post", staffs(GET=200, HEAD=200, POST=422)),
    "stand_in": Route("post", staffs(GET=200, HEAD=200, POST=422)),
    "more_time": Route("task", writes(asks_time)),
    "verify": Route("", reads(partial(checks_some, then=200)) | writes(partial(checks_some, then=422))),
    "answer_extension": Route("extension", writes(answers_request)),
    "ask_help": Route("task", writes(calls_for_help)),
    "answer_help": Route("help", writes(answers_call)),
    "chase": Route("task", writes(chases)),
    "chase_unit": Route("campaign unit", writes(chases_unit)),
    "campaign_rounds": Route(
        "campaign", reads(partial(rounds_of, planned=200)) | writes(partial(rounds_of, planned=422))
    ),
    "rounds": Route("", reads(page)),
    "round": Route("round", reads(partial(on_round, sent=200, told=200, done=200))),
    "round_checks": Route("round", writes(partial(on_round, sent=422, told=403, done=403))),
    "finish_round": Route("round", reads(partial(ends_round, then=200)) | writes(partial(ends_round, then=422))),
    "relieve": Route("round", reads(partial(relieves, then=200)) | writes(partial(relieves, then=422))),
    "findings": Route("campaign", reads(sees_campaign)),
    "findings_table": Route("campaign", reads(sees_campaign)),
    "new_finding": Route("campaign", reads(partial(enters, then=200)) | writes(partial(enters, then=422))),
    "finding": Route("finding", reads(sees_finding)),
    "finding_verb": Route("finding verb", writes(does)),
    "home": Route("", reads(moved)),
    "my_tasks": Route("", reads(page)),
    "campaigns": Route("", reads(page)),
    "board": Route("campaign", reads(sees_campaign)),
    "board_table": Route("campaign", reads(sees_campaign)),
    "wall": Route("campaign", reads(sees_campaign)),
    "wall_pass": Route("campaign token", reads(opens), public=True),
    "passes": Route("step", reads(partial(saves, then=200)) | writes(partial(saves, then=422))),
    "revoke_pass": Route("campaign pass", writes(partial(sets_up, then=302, closed=302))),
    "campaign_tasks": Route("campaign", reads(sees_campaign)),
    "events": Route("campaign", reads(sees_campaign)),
    "course": Route("campaign", writes(steers)),
    "unit_tasks": Route("campaign unit", reads(sees_unit_in_campaign)),
    "task": Route("task", reads(sees_task)),
    "tick": Route("task", writes(claims)),  # every other step: `steps` below
    "units": Route("", reads(page)),
    "unit": Route("unit", reads(sees_unit)),
    "boundaries": Route("unit", staffs(GET=200, HEAD=200, POST=422)),
    "remove_boundaries": Route("unit", staffs(POST=302)),
    "shapes": Route("campaign", reads(sees_host)),
    "notices": Route("campaign", reads(looks)),
    "resend": Route("step", edits(POST=422)),
    "reminder_rules": Route("step", edits(GET=200, HEAD=200, POST=422)),
    "state": Route("", reads(partial(starts, then=200))),
    "release": Route("", writes(partial(starts, then=302))),  # nobody sits higher than ada
    "inbox": Route("", reads(page)),
    "inbox_read": Route("", writes(moved)),
    "wishes": Route("", reads(page) | writes(refused)),
    "test_wishes": Route("", writes(refused)),  # an empty form does not say by which way
    "my_calendar": Route("", writes(refused)),
    "calendar": Route("secret", reads(reads_calendar), public=True),
    "gateways": Route("", reads(partial(starts, then=200))),
    "new_gateway": Route("", reads(partial(starts, then=200)) | writes(partial(starts, then=422))),
    "gateway": Route("gateway", reads(partial(connects, then=200)) | writes(partial(connects, then=422))),
    "remove_gateway": Route("gateway", writes(partial(connects, then=302))),
    "test_gateway": Route("gateway", writes(partial(connects, then=302))),  # nothing may leave here: it says so
    "robots": Route("step", reads(partial(saves, then=200)) | writes(partial(saves, then=422))),
    "draws": Route("campaign", reads(sees_campaign)),
    "new_draw": Route("campaign", reads(partial(announces, then=200)) | writes(partial(announces, then=422))),
    "draw": Route("draw", reads(sees_draw)),
    "give_number": Route("draw", writes(gives_number)),
    "draw_list": Route("draw", reads(sees_draw)),
    "task_proofs": Route("task", writes(adds_proof)),
    "check_proofs": Route("check", writes(adds_proof_to_check)),
    "finding_proofs": Route("finding", writes(adds_proof_at)),
    "upload": Route("upload", reads(partial(asks_upload, then=200)) | writes(partial(asks_upload, then=422))),
    "proof": Route("proof", reads(sees_proof)),
    "thumbnail": Route("proof", reads(sees_proof)),
    "take_back_proof": Route("proof", writes(takes_back)),
    "all_proofs": Route("campaign unit", reads(takes_all_proofs)),
    "healthz": Route("", reads(page), public=True),
    # Django's own views: they answer OPTIONS, and PUT like POST (an empty form: nothing is saved).
    "login": Route("", dict.fromkeys(["GET", "HEAD", "POST", "PUT", "OPTIONS"], only_strangers),
                   otherwise=lambda who: 302 if who in MEMBERS else 405, public=True),
    "logout": Route("", {"POST": moved, "OPTIONS": page}),
    "password": Route("", dict.fromkeys(["GET", "HEAD", "POST", "PUT", "OPTIONS"], page)),
    "language": Route("", {}, otherwise=moved, public=True),
}  # fmt: skip

GATEWAYS = ["east", "county", "city", "river", "robot county", "robot east", "robot city", "robot far"]
UNITS = [*PLACES, *NEVER_CODES, "511504-1", "5" * 30]
TASKS = [
    *(("county", place, "open") for place in PLACES if place in UNDER["county"]),
    *(("far", place, "open") for place in PLACES if place in UNDER["far"]),
    ("closed", "willow", "open"), ("closed", "lake", "open"), ("east", "east", "one"), ("city", "willow", "one"),
    *NEVER,
]  # fmt: skip
# Parts of another campaign, and of none.
PARTS = [
    *(("draft", part) for part in ("county", "far_draft", NEVER[0])),
    *(("far_draft", part) for part in ("draft", NEVER[0])),
    *((campaign, "draft") for campaign in ("county", NEVER[0])),
]
IDS: dict[str, list[tuple[Any, ...]]] = {
    "": [()],
    "campaign": [(campaign,) for campaign in [*HOSTS, *NEVER]],
    "step": [(campaign,) for campaign in [*HOSTS, *NEVER]],
    "unit": [(unit,) for unit in UNITS],
    "campaign unit": [
        *((campaign, unit) for campaign in ("county", "east", "province") for unit in PLACES),
        *((campaign, unit) for campaign in HOSTS for unit in ("willow", "county", "bridge")),
        *((campaign, "willow") for campaign in NEVER),
        *(("county", unit) for unit in UNITS if unit not in PLACES),
    ],
    "task": [(task,) for task in TASKS],
    "template": [(template,) for template in ("speech", "county", "east", "city", "far", *NEVER)],
    "post": [(place,) for place in (*POSTS, *NEVER)],
    "extension": [(place,) for place in [*PLACES, *NEVER] if place != "city"],
    "help": [(place,) for place in [*PLACES, *NEVER] if place != "city"],
    "measure": [(place,) for place in [*PLACES, *NEVER] if place != "city"],
    "draw": [(place,) for place in [*PLACES, *NEVER] if place != "city"],
    "finding": [(place,) for place in [*PLACES, *NEVER] if place != "city"],
    "finding verb": [
        *((place, verb) for place in PLACES if place != "city" for verb in VERBS),
        *((place, "fixed") for place in NEVER),
    ],
    "campaign item": [*((campaign, campaign) for campaign in HOSTS), *PARTS],
    "campaign phase": [*((campaign, campaign) for campaign in HOSTS), *PARTS],
    "campaign pass": [*((campaign, campaign) for campaign in HOSTS), *PARTS],
    "campaign token": [*((campaign, campaign) for campaign in HOSTS), *PARTS],
    "gateway": [(gateway,) for gateway in (*GATEWAYS, *NEVER)],
    "secret": [(who,) for who in ("lan", "left", "barred", *NEVER)],
    "round": [(name,) for name in (*ROUNDS, *NEVER)],
    "proof": [(place,) for place in [*PLACES, NO_FILE, "no-uuid"] if place != "city"],
    "check": [(place,) for place in [*PLACES, NO_FILE, "no-uuid"] if place != "city"],
    "upload": [(who,) for who in ("lan", "hong", NO_FILE, "no-uuid")],
}
# Something, and nothing: for strangers, who are told the same of both, and for HEAD, the same view as GET. Methods
# that an address does not have get the first.
FEW: dict[str, list[tuple[Any, ...]]] = {
    "": [()],
    "campaign": [("county",), (NEVER[0],)],
    "step": [("county",), (NEVER[0],)],
    "unit": [("willow",), (NEVER_CODES[0],)],
    "campaign unit": [("county", "willow"), ("county", NEVER_CODES[0])],
    "task": [(("county", "willow", "open"),), (NEVER[0],)],
    "template": [("speech",), (NEVER[0],)],
    "post": [("willow",), (NEVER[0],)],
    "extension": [("willow",), (NEVER[0],)],
    "help": [("willow",), (NEVER[0],)],
    "measure": [("willow",), (NEVER[0],)],
    "draw": [("willow",), (NEVER[0],)],
    "finding": [("willow",), (NEVER[0],)],
    "finding verb": [("willow", "fixed"), (NEVER[0], "fixed")],
    "campaign item": [("draft", "draft"), (NEVER[0], "draft")],
    "campaign phase": [("draft", "draft"), (NEVER[0], "draft")],
    "campaign pass": [("draft", "draft"), (NEVER[0], "draft")],
    "campaign token": [("county", "county"), (NEVER[0], "draft")],
    "gateway": [("county",), (NEVER[0],)],
    "secret": [("lan",), (NEVER[0],)],
    "round": [("willow",), (NEVER[0],)],
    "proof": [("willow",), (NO_FILE,)],
    "check": [("willow",), (NO_FILE,)],
    "upload": [("lan",), (NO_FILE,)],
}
NO_ADDRESS = {-1, "511504-1", "5" * 30, "no-uuid"}  # no converter lets these through


class Cell(NamedTuple):
    """One request and the answer that it must get."""

    who: str
    method: str
    route: str
    ids: tuple[Any, ...]
    want: Outcome
    state: str = "done"  # asked for, where the route is a tick
    mine: bool = False  # the asker had ticked the task before


SET_UP = {"step", "campaign item", "campaign phase"}
# Who tries the methods beside GET and POST, which no view answers by the person: one who may most, and a stranger.
THOROUGH = {"ada", "anonymous"}


def cells(who: str) -> Iterator[Cell]:
    """Every address × method for one person, with one object of each relation that the person has to any."""
    for turn, (name, route) in enumerate(ROUTES.items(), start=[*MEMBERS, *STRANGERS].index(who)):
        for method in METHODS if who in THOROUGH else ("GET", "POST"):
            rule = route.answers.get(method, route.otherwise)
            if method not in route.answers:
                tried = FEW[route.of][:1] if who in THOROUGH else []
            elif method == "HEAD" or who in STRANGERS:
                tried = FEW[route.of]
            else:
                lies = partial(relation, who, name)
                tried = one_of_each(IDS[route.of], lies, turn + METHODS.index(method))
                if route.of in SET_UP and name != "course":  # thirty addresses, one guard: each is tried by halves
                    tried = tried[turn % 2 :: 2]
                if turn // 9 % 2:  # what never existed exists for nobody: at each address half of them try it
                    tried = [ids for ids in tried if lies(ids) != (None,)]
            for ids in tried:
                if NO_ADDRESS.intersection(ids):
                    want: Outcome = 404
                elif who in MEMBERS or route.public:
                    want = rule(who, *ids)
                else:
                    want = "login" if method in ("GET", "HEAD") else 403
                yield Cell(who, method, name, ids, want)


def one_of_each(objects: list[Any], key: Callable[[Any], object], turn: int) -> list[Any]:
    """One of the objects for each key, at each turn another."""
    groups: dict[str, list[Any]] = {}
    for one in objects:
        groups.setdefault(repr(key(one)), []).append(one)
    return [group[turn % len(group)] for group in groups.values()]


def relation(who: str, route: str, ids: tuple[Any, ...]) -> tuple[object, ...]:
    """What an address's objects are to a person: what they may do there, and how both lie to each other."""
    found: list[object] = []
    for kind, name in zip(ROUTES[route].of.split(), ids, strict=True):
        if kind == "verb":
            found.append(name)
        elif kind in ("unit", "post", "extension", "help", "measure", "draw", "finding", "proof", "check"):
            found.append(to_place(who, name))
        elif kind == "gateway":
            found.append(to_gateway(who, name))
        elif kind == "round":
            found.append(name if name in ROUNDS else None)
        elif kind == "upload":
            found.append(name if name in MEMBERS else None)
        elif kind == "secret":
            found.append(name if name in MEMBERS or name == "barred" else None)
        elif isinstance(name, tuple):
            found += [to_campaign(who, name[0]), to_place(who, name[1])]
        else:
            found.append(to_campaign(who, name, closely=ROUTES[route].of == "campaign"))
    if len(ids) == 2:  # a part of this campaign, or of another
        found.append(ids[0] == ids[1] or ids[1] in UNDER.get(ids[0], ()))
    return tuple(found)


def to_place(who: str, place: object) -> object:
    """The same for all places to which the person's posts stand alike and at which they may do the same."""
    return (MAY[who][place], kinship(who, PLACES[place])) if place in PLACES else None


def to_gateway(who: str, name: object) -> object:
    """The same for all that are likewise somebody's of a unit, or of a campaign."""
    if name not in GATEWAYS:
        return None
    robot = str(name).startswith("robot ")
    return (robot, to_campaign(who, str(name).removeprefix("robot ")) if robot else to_place(who, name))


def to_campaign(who: str, campaign: object, *, closely: bool = False) -> object:
    """The same for all campaigns with which the person may do the same; drafts and closed ones are told apart for who
    runs them, and closely, for everybody, as are those whose hosts stand to the person's posts in another way.
    """
    if campaign not in HOSTS:
        return campaign if campaign == "speech" else None
    may = CAMPAIGNS[who][campaign]
    status = next((status for status in ("draft", "closed") if status in str(campaign)), "")
    return (may, status, kinship(who, HOSTS[str(campaign)])) if closely else (may, "r" in may and status)


def kinship(who: str, code: str) -> list[str]:
    """How a unit lies to the person's posts: itself, below, above, or how much of the way up is shared."""
    return sorted(
        "own" if code == post else "below" if code.startswith(post) else "above" if post.startswith(code)
        else f"shares {max(n for n in (0, 2, 4, 6, 9) if code[:n] == post[:n])}"
        for post in AT[who]
    )  # fmt: skip


def to_try(who: str, *campaigns: str) -> list[tuple[str, str]]:
    """A campaign and a place in it, one for each relation."""
    every = [(campaign, place) for campaign in campaigns for place in PLACES if place in UNDER[campaign]]
    return one_of_each(every, lambda at: (at[0], to_place(who, at[1])), MEMBERS.index(who))


def steps(who: str) -> Iterator[Cell]:
    """Every step of a task from each state to each, also of tasks that the asker had ticked, where they may do other
    things than elsewhere; from two states where they only stand to it in another way; out of sight, from one.
    """
    done_all: set[str] = set()
    for campaign, place in to_try(who, "county", "far", "closed"):
        may = MAY[who][place]
        if "s" not in may:
            states = [("open", False)]
        elif campaign == "closed":
            states = [("done", False)]
        elif may in done_all:
            states = [("open", False), ("done", False)]
        else:
            states = [*((at, False) for at in STEPS), ("done", True)]
            done_all.add(may)
        for at, mine in states:
            for to in STEPS:
                want = takes_step(who, campaign, place, at=at, to=to, mine=mine)
                yield Cell(who, "POST", "tick", ((campaign, place, at),), want, to, mine)
