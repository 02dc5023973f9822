"""What people do in the clinic that is about no window and no money."""

from django.utils import timezone

from clinic.models import ReviewItem


def resolve_review(item_id: int, *, note: str, actor) -> bool:
    """Closes something that had to be looked at, with what was done about it.

    False, and nothing changes, when somebody else has closed it: their note stays.
    """
    still_open = ReviewItem.objects.open().filter(pk=item_id)
    return bool(still_open.update(resolved_at=timezone.now(), resolved_by=actor, note=note))
