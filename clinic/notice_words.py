"""What notices say of something that a person must look at."""

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from clinic.channels import Message
from clinic.models import ReviewItem
from clinic.notice_models import Notice


def words(found: list[Notice]) -> dict[int, Message]:
    """By a notice's id, its message. One query."""
    items = ReviewItem.objects.in_bulk({notice.about for notice in found})
    return {notice.pk: _message(items[notice.about]) for notice in found if notice.about in items}


def _message(item: ReviewItem) -> Message:
    return Message(
        subject=_("To look at: %(subject)s") % {"subject": item.subject},
        lines=[item.explanation],
        link=settings.SITE_URL + reverse("admin:clinic_reviewitem_change", args=[item.pk]),
        link_text=_("Look at it"),
        email=settings.FRONT_OFFICE_EMAIL,
        moot=bool(item.resolved_at),
    )
