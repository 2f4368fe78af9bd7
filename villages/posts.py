"""Who holds which post, and since when: appointing, ending, moving, standing in. Each verb is one transaction.

What is wrong comes as a ValidationError that names the field. Whether the asker may, the caller has looked up.
"""

import secrets
from collections.abc import Iterable
from datetime import date, timedelta

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from villages import access
from villages.models import Cadre, Post, Unit

EARLIEST = date(1950, 1, 1)
AHEAD = LONGEST_STAND_IN = timedelta(days=366)


class SamePerson(ValidationError):
    """Somebody of this name and number is on the roster already: `cadre`."""

    def __init__(self, cadre: Cadre) -> None:
        self.cadre = cadre
        said = _("There is already %(name)s with this number: appoint that person?") % {"name": cadre.name}
        super().__init__({"phone": said})


def enrol(name: str, phone: str = "", *, username: str = "", email: str = "") -> Cadre:
    """A line on the roster. Nobody can log in as this person before `first_password`.

    Raises:
        SamePerson: name and number are those of somebody known.
        ValidationError: the number is another's, or something else is wrong.
    """
    # A log-in name that tells nothing and stays when the number changes; people log in by number.
    cadre = Cadre(username=username or f"c{secrets.token_hex(6)}", name=name, phone=phone or None, email=email)
    cadre.set_unusable_password()
    known = Cadre.objects.filter(phone=phone).first() if phone else None
    if known and known.name == name:
        raise SamePerson(known)
    cadre.full_clean()
    try:
        with transaction.atomic():
            cadre.save()
    except IntegrityError:  # enrolled by somebody else a moment ago
        cadre.full_clean()
        raise
    return cadre


@transaction.atomic
def first_password(cadre: Cadre) -> str:
    """A random password for somebody who has none yet, to be told to them; empty if they have one."""
    held = Cadre.objects.select_for_update(no_key=True).get(pk=cadre.pk)
    if held.has_usable_password():
        return ""
    password = secrets.token_urlsafe(9)
    held.set_password(password)
    held.save(update_fields=["password"])
    return password


@transaction.atomic
def appoint(
    unit: Unit,
    role: str,
    *,
    since: date,
    cadre: Cadre | None = None,
    name: str = "",
    phone: str = "",
    title: str = "",
    principal: bool = False,
    by: Cadre | None = None,
) -> Post:
    """Gives somebody a post: a cadre of the roster, or a new one by name and number.

    Several may answer first at one unit (a secretary and a village head do); the one appointed first goes first.

    Raises:
        SamePerson: name and number are those of somebody known.
        ValidationError: no such role at this kind of unit, held already, or a day that cannot be.
    """
    if not EARLIEST <= since <= timezone.localdate() + AHEAD:
        raise ValidationError({"since": _("This day lies too far from today.")})
    holder = cadre or enrol(name, phone)
    return _give(Post(cadre=holder, unit=unit, role=role, title=title, principal=principal, since=since, made_by=by))


@transaction.atomic
def end(post: Post, on: date, *, by: Cadre) -> Post:
    """Ends the post: `on` is the first day on which it is no longer held.

    Not ahead of time, so that the work is handed over in the same step.

    Raises:
        ValidationError: the day cannot be, it has ended, or it makes the asker an admin and no other post does.
    """
    held, today = Post.objects.select_for_update().get(pk=post.pk), timezone.localdate()
    if held.until and held.until <= today:
        raise ValidationError(_("This post has ended already."))
    if on < held.since:
        raise ValidationError({"on": _("The post began on %(day)s; it cannot end before.") % {"day": held.since}})
    if on > max(today, held.since):
        raise ValidationError({"on": _("Enter this on the day itself: the work is handed over in the same step.")})
    if held.cadre_id == by.pk and access.lets(held.role, access.Action.STAFF):
        others = by.posts.current(today).exclude(pk=held.pk).values_list("role", flat=True)
        if not any(access.lets(role, access.Action.STAFF) for role in others):
            raise ValidationError(_("This post makes you an admin. Another admin has to end it."))
    held.until, held.ended_by = on, by
    held.save(update_fields=["until", "ended_by"])
    return held


@transaction.atomic
def move(
    post: Post, to_unit: Unit, on: date, *, role: str, by: Cadre, title: str = "", principal: bool = False
) -> Post:
    """Ends the post and gives its holder one at another unit from the same day on.

    Raises:
        ValidationError: as `appoint` and `end`.
    """
    given = appoint(to_unit, role, since=on, cadre=post.cadre, title=title, principal=principal, by=by)
    end(post, on, by=by)
    return given


@transaction.atomic
def stand_in(post: Post, cadre: Cadre, since: date, until: date, *, by: Cadre) -> Post:
    """Lets another cadre do the work of this post from a day until before another; both hold it meanwhile.

    Raises:
        ValidationError: the same person, a stand-in's own post, a post that is over, or days that cannot be.
    """
    held = Post.objects.select_for_update().get(pk=post.pk)
    if held.stands_in_for_id:
        raise ValidationError(_("This person stands in already; name somebody else for the post itself."))
    if held.cadre_id == cadre.pk:
        raise ValidationError({"cadre": _("Nobody stands in for themselves.")})
    if since < held.since or (held.until and since >= held.until):
        raise ValidationError({"since": _("The post is not held on this day.")})
    if until <= since:
        raise ValidationError({"until": _("This ends before it begins.")})
    if until <= timezone.localdate():
        raise ValidationError({"until": _("This day is already past.")})
    if until - since > LONGEST_STAND_IN:
        raise ValidationError({"until": _("Nobody stands in for longer than a year; appoint them instead.")})
    return _give(
        Post(
            cadre=cadre,
            unit_id=held.unit_id,
            role=held.role,
            title=held.title,
            principal=held.principal,
            since=since,
            until=until,
            stands_in_for=held,
            made_by=by,
        )
    )


def hands(cadres: Iterable[int], *, since: date, on: date) -> dict[int, set[int]]:
    """Each of these cadres -> themselves, and whomever they stood in for at any time from a day to another. One query.

    Two cadres whose sets meet are one pair of hands: neither looks at what the other did.
    """
    found = {cadre: {cadre} for cadre in cadres}
    stood_in = Post.objects.filter(cadre__in=found, stands_in_for__isnull=False, since__lte=on).not_over(since)
    for cadre, principal in stood_in.values_list("cadre_id", "stands_in_for__cadre_id"):
        found[cadre].add(principal)
    return found


def stands_for(cadre: Cadre, unit: str, action: access.Action, *, on: date) -> Cadre | None:
    """Whose right it is that lets a stand-in do something at a unit; None if it is the cadre's own. One query."""
    held = Post.objects.current(on).filter(cadre=cadre, unit__in=access.above(unit))
    posts = list(held.select_related("stands_in_for__cadre").order_by("pk"))
    able = [post for post in posts if access.allows(post.role, post.unit_id, action, unit)]
    borrowed = [post.stands_in_for.cadre for post in able if post.stands_in_for]
    return borrowed[0] if borrowed and len(borrowed) == len(able) else None


def _give(post: Post) -> Post:
    """Saves a new post that fits; one person's posts are given one after the other."""
    holder = Cadre.objects.select_for_update(no_key=True).get(pk=post.cadre_id)
    if not holder.is_active:
        raise ValidationError({"cadre": _("%(name)s may not log in any more.") % {"name": holder.name}})
    post.clean_fields()
    post.clean()
    same = holder.posts.filter(unit=post.unit_id, role=post.role).not_over(post.since)
    if (same.filter(since__lt=post.until) if post.until else same).exists():
        raise ValidationError(
            {"cadre": _("%(name)s holds this post here already, or will by then.") % {"name": holder.name}}
        )
    post.save()
    return post
