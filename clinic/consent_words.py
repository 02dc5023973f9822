"""What a patient agrees to by booking, on the form and in an app."""

from django.conf import settings
from django.utils.translation import gettext as _


def words() -> str:
    """Other words need another settings.CONSENT_VERSION, which stands on every booking."""
    return _(
        "%(clinic)s uses the name, age and number to plan the visit, to treat you and to write the bill."
        " The payment service learns the price and nothing about you or your health."
        " Ask at the desk to see, correct or delete what is kept."
    ) % {"clinic": settings.CLINIC_NAME}
