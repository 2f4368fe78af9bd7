"""Who works where in the demo. Everyone is invented."""

import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import date

from django.contrib.auth.hashers import make_password

from villages.access import Role
from villages.models import Cadre, Kind, Post, Unit

HOST = "511504"
# Named as the speech's items look for them. 区住建局 is left out: its item shows as one that no unit owes.
DEPARTMENTS = [
    "区委目标绩效办",
    "区委宣传部",
    "区发改局",
    "区经科局",
    "区教体局",
    "区财政局",
    "区统计局",
    "区公安分局",
]
NOBODY_AT = f"{HOST}D005"
TOWN = "511504101"  # 南广镇, of `town`
LIAISON = ["511504101203", "511504101204", "511504101205", "511504101206"]  # villages of `liaison`
VILLAGE = LIAISON[0]  # 黄河村, of `village`
WITHOUT_STAFF = "511504202"
WITHOUT_DEPUTY = "511504203"
# Family name and given name, a plant or a water: all invented.
FAMILY = "赵钱孙李周吴郑王冯陈蒋沈韩杨朱秦尤许何吕施张孔曹严魏陶姜谢邹潘葛范彭鲁方袁史唐薛雷贺倪汤"
GIVEN = "松竹梅兰荷桂桐杉枫柏榆槐桃杏梨橘茶禾稻麦粟椿樟柚苇芦葵蓼芹柳河湖溪川雨霜露"
PASSWORD = "readiness-demo"  # noqa: S105 - printed at every start
LOGINS = ["admin", "leader", "town", "liaison", "village"]


@dataclass(frozen=True)
class Team:
    """Who does a unit's work and who looks at it."""

    doers: list[Cadre]
    checkers: list[Cadre]  # the first of them may also waive


class Roster:
    """Everyone, and where they work."""

    def __init__(self, rng: random.Random, *, since: date) -> None:
        self.rng = rng
        self.since = since
        self.cadres: list[Cadre] = []
        self.posts: list[Post] = []
        self.at: defaultdict[tuple[str, str], list[Cadre]] = defaultdict(list)
        self.names = [family + given for family in FAMILY for given in GIVEN]
        rng.shuffle(self.names)
        self.password = make_password(PASSWORD)  # hashed once: it is meant to take long

    def hire(self, unit: str, role: Role, title: str, *, principal: bool = False, login: str = "") -> Cadre:
        """A new cadre with a post; without a log-in the password fits nothing."""
        n = len(self.cadres) + 1
        cadre = Cadre(
            username=login or f"c{n:06}",
            name=self.names.pop(),
            phone=f"{10_000_000_000 + n}",
            password=self.password if login else make_password(None),
        )
        self.cadres.append(cadre)
        self.post(cadre, unit, role, title, principal=principal)
        return cadre

    def post(self, cadre: Cadre, unit: str, role: Role, title: str, *, principal: bool = False) -> None:
        self.posts.append(
            Post(cadre=cadre, unit_id=unit, role=role, title=title, principal=principal, since=self.since)
        )
        self.at[unit, role].append(cadre)

    def fill(self, units: list[Unit]) -> None:
        """Somebody everywhere, but for the few places that the board is to show as vacant."""
        self.hire(HOST, Role.COUNTY_LEADER, "区委书记", principal=True)
        self.hire(HOST, Role.COUNTY_LEADER, "分管副区长", login="leader")
        self.hire(HOST, Role.CAMPAIGN_ADMIN, "区普查办主任", login="admin")
        self.hire(HOST, Role.SUPERVISOR, "区委目标绩效办督查科科长")
        self.hire(HOST, Role.SUPERVISOR, "区委目标绩效办督查科副科长")
        self.hire(HOST, Role.AUDITOR, "区纪委监委派驻组组长")
        villages = [unit.code for unit in units if unit.kind == Kind.VILLAGE]
        # Nine have no secretary; the first four of them have nobody at all.
        thin = self.rng.sample([code for code in villages if not code.startswith(TOWN)], 9)
        for unit in units:
            match unit.kind:
                case Kind.DEPARTMENT if unit.code != NOBODY_AT:
                    self.hire(unit.code, Role.DEPARTMENT_CADRE, "主要负责人", principal=True)
                    self.hire(unit.code, Role.DEPARTMENT_CADRE, "普查联络员")
                case Kind.TOWNSHIP:
                    self._township(unit, [code for code in villages if code.startswith(unit.code)])
                case Kind.VILLAGE if unit.code not in thin[:4]:
                    self._village(unit, has_principal=unit.code not in thin)
        Cadre.objects.bulk_create(self.cadres)
        Post.objects.bulk_create(self.posts)

    def _township(self, unit: Unit, villages: list[str]) -> None:
        street = unit.name.endswith("街道")
        head, deputy = ("党工委书记", "分管副主任") if street else ("党委书记", f"分管副{unit.name[-1]}长")
        self.hire(unit.code, Role.TOWNSHIP_LEADER, head, principal=True)
        if unit.code != WITHOUT_DEPUTY:
            self.hire(unit.code, Role.TOWNSHIP_LEADER, deputy)
        if unit.code != WITHOUT_STAFF:
            self.hire(unit.code, Role.TOWNSHIP_STAFF, "普查办主任", login="town" if unit.code == TOWN else "")
            self.hire(unit.code, Role.TOWNSHIP_STAFF, "统计员")
        left = [code for code in villages if code not in LIAISON]
        groups = [LIAISON] if unit.code == TOWN else []
        for _n in range(self.rng.randint(3, 6) - len(groups)):
            some = self.rng.randint(3, 6)
            groups.append(left[:some])
            left = left[some:]
        for group in filter(None, groups):
            cadre = self.hire(group[0], Role.LINKED, "包村干部", login="liaison" if group is LIAISON else "")
            for code in group[1:]:
                self.post(cadre, code, Role.LINKED, "包村干部")

    def _village(self, unit: Unit, *, has_principal: bool) -> None:
        head, deputy = ("社区书记", "专干") if unit.short_name.endswith("社区") else ("村支书", "副主任")
        if has_principal:
            login = "village" if unit.code == VILLAGE else ""
            self.hire(unit.code, Role.VILLAGE_CADRE, head, principal=True, login=login)
        self.hire(unit.code, Role.VILLAGE_CADRE, deputy)

    def team(self, code: str) -> Team:
        """Who works for a unit: its own people, else its township's. Who checks is never among them."""
        at, town = self.at, code[:9]
        over = [*at[HOST, Role.CAMPAIGN_ADMIN], *at[HOST, Role.SUPERVISOR]]
        if "D" in code:
            return Team(at[code, Role.DEPARTMENT_CADRE], over)
        leaders = at[town, Role.TOWNSHIP_LEADER]
        if code == town:
            return Team(at[town, Role.TOWNSHIP_STAFF], leaders)
        own, near = at[code, Role.VILLAGE_CADRE], [*at[code, Role.LINKED], *at[town, Role.TOWNSHIP_STAFF]]
        return Team(own, near or leaders) if own else Team(near, leaders)
