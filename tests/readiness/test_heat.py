"""The heat map's HTML: what it says of each unit, and that nothing in it can be markup."""

from datetime import timedelta
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from django.utils import timezone, translation

from checklists.models import Campaign, Item, Task
from readiness.boards import figures, items
from readiness.boards.heat import Heat
from readiness.boards.light import Counts, Light
from readiness.boards.words import why
from tests import factories
from tests.factories import COUNTY, EAST, WILLOW
from villages.models import Cadre, Unit

NASTY = """<b>&"'</b>"""


class Tags(HTMLParser):
    """Which tags there are, and all that is said."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.said: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.said += [value or "" for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def written(campaign: Campaign, reader: Cadre, *, by_sections: bool = False, query: str = "") -> str:
    today = timezone.localdate()
    board = figures.board(campaign, reader, at=COUNTY, on=today)
    if by_sections:
        board = items.by_section(campaign, reader, board, items.of_campaign(campaign), on=today)
    return Heat(campaign, vacant={WILLOW}, sections=query if by_sections else None, keeps=query, narrowed=query).write(
        board
    )


@pytest.mark.parametrize("by_sections", [False, True])
def test_names_and_filters_cannot_be_markup(campaign: Campaign, cast: dict[str, Cadre], by_sections: bool) -> None:
    plain = Tags(written(campaign, cast["mei"], by_sections=by_sections))
    Unit.objects.update(name=NASTY)
    Item.objects.update(section=NASTY)
    query = f"&section={NASTY}"
    nasty = Tags(written(campaign, cast["mei"], by_sections=by_sections, query=query))
    assert nasty.tags == plain.tags
    assert NASTY in nasty.said
    assert any(NASTY in said for said in nasty.said if said.startswith(("?unit", "/campaigns/")))


def test_a_cell_says_its_colour_by_letter_number_and_words(campaign: Campaign, cast: dict[str, Cadre]) -> None:
    late = timezone.localdate() - timedelta(days=1)
    Task.objects.filter(unit_id=WILLOW, item__number="v-1").update(due_on=late)
    html = written(campaign, cast["mei"])
    cell = html[html.index(f'href="/campaigns/{campaign.pk}/units/{WILLOW}/"') :].split("</li>")[0]
    assert 'title="红灯：逾期1项，责任人空缺"' in cell
    assert '<span class="name">柳村</span><b>1</b><i class="sign">红</i>' in cell
    assert f'show=overdue&amp;under={EAST}">逾期1项' in html


@pytest.mark.parametrize(
    ("light", "counts", "vetoes", "vacant", "said"),
    [
        (Light.RED, Counts(open=9, overdue=4, vetoes=1), True, True, "红灯：1项一票否决未完成，逾期4项，责任人空缺"),
        (Light.RED, Counts(open=9, overdue=4, vetoes=1), False, False, "红灯：逾期4项"),
        (Light.AMBER, Counts(open=9, returned=2), False, False, "黄灯：退回2项"),
        (Light.GREEN, Counts(open=9), False, False, "绿灯：没有逾期和退回"),
        (Light.NONE, Counts(waived=9), False, False, "无任务"),
    ],
)
def test_why_a_unit_has_its_colour(light: Light, counts: Counts, vetoes: bool, vacant: bool, said: str) -> None:
    assert why(light, counts, vetoes=vetoes, is_vacant=vacant) == said


def test_the_words_are_there_in_english_too() -> None:
    with translation.override("en"):
        said = why(Light.RED, Counts(open=9, overdue=4), vetoes=False, is_vacant=True)
    assert said == "red: 4 overdue, nobody answers"


def test_sections_lead_to_their_tasks(campaign: Campaign, cast: dict[str, Cadre]) -> None:
    html = written(campaign, cast["mei"], by_sections=True)
    section = factories.task(campaign).item.section
    assert f"show=all&amp;section={quote(section)}&amp;under={EAST}" in html
