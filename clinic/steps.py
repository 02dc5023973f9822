"""Steps that every app takes."""

from django.db.models.functions import Now
from django.urls import reverse

from clinic.models import ReviewItem
from clinic.notice_models import Recipient
from clinic.notice_steps import notices, tell


def review(key: str, subject: str, explanation: str, link: str) -> None:
    """Raises something that a person must look at, once per `key`, and tells the front office."""
    item, made = ReviewItem.objects.get_or_create(
        key=key, defaults={"subject": subject, "explanation": explanation, "link": link}
    )
    if made:
        tell(notices("review-raised", item.pk, fact=str(item.pk), to=Recipient.FRONT_OFFICE, now=Now()))


def admin_link(row) -> str:
    return reverse(f"admin:{row._meta.label_lower.replace('.', '_')}_change", args=[row.pk])
