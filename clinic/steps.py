"""Steps that every app takes."""

from django.urls import reverse

from clinic.models import ReviewItem


def review(key: str, subject: str, explanation: str, link: str) -> None:
    """Raises something that a person must look at, once per `key`."""
    ReviewItem.objects.get_or_create(
        key=key, defaults={"subject": subject, "explanation": explanation, "link": link}
    )


def admin_link(row) -> str:
    return reverse(f"admin:{row._meta.label_lower.replace('.', '_')}_change", args=[row.pk])
