"""What notices say of money: a refund that was sent, a payout that was made."""

from django.conf import settings
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from clinic import money
from clinic.channels import Message
from clinic.notice_models import Notice
from payments.ledger_models import Payout
from payments.models import Refund
from payments.states import PayoutStatus, RefundStatus


def refunds(found: list[Notice]) -> dict[int, Message]:
    """By a notice's id, its message to the patient. One query."""
    rows = Refund.objects.filter(pk__in={notice.about for notice in found})
    by_pk = {
        row.pk: row for row in rows.select_related("payment__booking__patient", "payment__booking__booked_by")
    }
    return {notice.pk: _refund(by_pk[notice.about]) for notice in found if notice.about in by_pk}


def _refund(refund: Refund) -> Message:
    booking = refund.payment.booking
    with translation.override(booking.patient.language or settings.LANGUAGE_CODE):
        return Message(
            subject=_("%(amount)s was sent back to you") % {"amount": refund.amount},
            lines=[
                _("%(amount)s was sent back the way you paid. Your bank may take 5 to 10 days to show it.")
                % {"amount": refund.amount}
            ],
            link=settings.SITE_URL + booking.get_absolute_url(),
            link_text=_("Open your booking"),
            email=booking.patient.email or (booking.booked_by.email if booking.booked_by else ""),
            phone=str(booking.patient.phone),
            language=booking.patient.language,
            moot=refund.status != RefundStatus.DONE or bool(refund.payment.method),
        )


def payouts(found: list[Notice]) -> dict[int, Message]:
    """By a notice's id, its message to the doctor. One query."""
    rows = Payout.objects.filter(pk__in={notice.about for notice in found})
    by_pk = {row.pk: row for row in rows.select_related("doctor__user")}
    return {notice.pk: _payout(by_pk[notice.about]) for notice in found if notice.about in by_pk}


def _payout(payout: Payout) -> Message:
    amount = money.display(payout.amount_minor, payout.currency)
    return Message(
        subject=_("%(amount)s was paid out to you") % {"amount": amount},
        lines=[_("%(amount)s of what you earned was paid out.") % {"amount": amount}],
        link=settings.SITE_URL + reverse("admin:earnings"),
        link_text=_("Open your earnings"),
        email=payout.doctor.user.email if payout.doctor.user else "",
        moot=payout.status != PayoutStatus.COMPLETED,
    )
