"""How the clinic writes money, time and numbers for people."""

from django import template
from django.templatetags.static import static
from django.utils import dateformat, formats, timezone
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext, pgettext

from clinic.money import display

register = template.Library()


@register.filter
def money(minor, currency):
    """Minor units → "₹500"."""
    return display(minor, currency) if minor is not None else ""


@register.filter(expects_localtime=True)
def clinic_time(value):
    """ "9:00", in the clinic's time zone."""
    return dateformat.format(value, pgettext("time format", "G:i")) if value else ""


@register.filter(expects_localtime=True)
def clock(value):
    """The same as an element that machines read too. A page may have dozens."""
    return format_html('<time datetime="{}">{}</time>', value.isoformat(), clinic_time(value))


@register.filter(expects_localtime=True)
def clinic_day(value):
    """ "Monday 24 November"; the year only where it isn't this one."""
    if not value:
        return ""
    this_year = value.year == timezone.localdate().year
    pattern = pgettext("day format", "l j F") if this_year else pgettext("day format with year", "l j F Y")
    return formats.date_format(value, pattern)


@register.filter(expects_localtime=True)
def clinic_date(value):
    """ "24 November 2026", as on paper: always with the year."""
    return formats.date_format(value, pgettext("day on paper", "j F Y")) if value else ""


def _rough(minutes):
    """To 5 minutes up to half an hour, to 10 up to 90: a waiting time is never known better."""
    step = 5 if minutes <= 30 else 10
    return max(step, step * round(minutes / step))


@register.filter
def minutes_long(minutes):
    """How long something takes: "40 minutes". Exactly, unlike a wait."""
    return ngettext("%(n)d minute", "%(n)d minutes", minutes) % {"n": minutes}


@register.filter
def at_least(minutes):
    """What is left of a day, rounded down: "45 min", "7½ h"."""
    hours, half = divmod(minutes // 30, 2)
    if not hours:
        return gettext("%(n)d min") % {"n": minutes}
    return gettext("%(n)s h") % {"n": f"{hours}½" if half else hours}


@register.filter
def about_minutes(minutes):
    """ "about 25 minutes", "about 1½ hours", "any minute now"."""
    if minutes is None:
        return ""
    if minutes < 3:
        return gettext("any minute now")
    if (rough := _rough(minutes)) <= 90:
        return ngettext("about %(n)d minute", "about %(n)d minutes", rough) % {"n": rough}
    return gettext("about %(n)s hours") % {"n": _half_hours(minutes)}


@register.filter
def short_minutes(minutes):
    """The same under a label that already says "about": "25 min", "1½ h", "now"."""
    if minutes is None:
        return ""
    if minutes < 3:
        return gettext("now")
    if (rough := _rough(minutes)) <= 90:
        return gettext("%(n)d min") % {"n": rough}
    return gettext("%(n)s h") % {"n": _half_hours(minutes)}


def _half_hours(minutes):
    whole, half = divmod(round(minutes / 30), 2)
    return f"{whole}½" if half else str(whole)


@register.filter
def seconds_left(until):
    """For the countdown: seconds, not a moment, because a patient's clock may be wrong."""
    return max(0, int((until - timezone.now()).total_seconds())) if until else 0


@register.filter
def initials(name):
    """ "Dr Anjali Rao" → "AR"."""
    words = [w for w in str(name).split() if w.rstrip(".").lower() not in {"dr", "prof"}]
    return "".join(w[0] for w in (words[:1] + words[1:][-1:])).upper()


@register.simple_tag
def icon(name):
    """One drawing of static/icons.svg. Decoration only: the word stands beside it."""
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        static("icons.svg"),
        name,
    )
