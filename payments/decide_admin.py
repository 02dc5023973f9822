"""What managers decide about a payment in admin: give some back, or let it buy its place after all."""

from uuid import uuid4

from django import forms
from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic import money
from clinic.admin import ReadableAdmin, Tool
from clinic.adminsite import require
from clinic.errors import Refused
from clinic.forms import MoneyField
from clinic.models import ReviewItem
from payments import staff_actions
from payments.models import Payment
from payments.queries import left_unbooked, payment_in_question, refund_by_hand
from payments.states import Outcome
from payments.timeline_queries import timeline

MAY = "payments.refund"


class DecisionForm(forms.Form):
    reason = forms.CharField(
        label=gettext_lazy("Why?"),
        max_length=150,
        help_text=gettext_lazy("It is kept with the payment."),
        error_messages={"required": gettext_lazy("Write why, in a few words.")},
    )


class RefundForm(DecisionForm):
    """`key` makes a second click the same refund."""

    key = forms.UUIDField(widget=forms.HiddenInput, error_messages={"required": "", "invalid": ""})
    field_order = ["key", "amount", "reason"]

    def __init__(self, *args, payment, **kwargs):
        super().__init__(*args, initial={"key": uuid4()}, **kwargs)
        self.fields["amount"] = MoneyField(
            label=_("Amount"),
            currency=payment.currency,
            min_value=money.to_major(1, payment.currency),
            initial=payment.left_minor,
            help_text=_("In %(currency)s, at most %(left)s.")
            % {"currency": payment.currency, "left": money.display(payment.left_minor, payment.currency)},
            error_messages={"required": _("Write how much goes back.")},
        )
        self.order_fields(self.field_order)

    def clean(self):
        if "key" in self.errors:
            raise forms.ValidationError(_("This page was not complete. Please send it once more."))


def decisions(payment, user, review_id=None) -> list[Tool]:
    """The tools for what can be decided about a payment, for whoever may."""
    if not user.has_perm(MAY):
        return []

    def tool(label, name) -> Tool:
        query = f"?{urlencode({'review': review_id})}" if review_id else ""
        return Tool(label, reverse(f"admin:payments_payment_{name}", args=[payment.pk]) + query)

    found = []
    if payment.outcome == Outcome.REVIEW and not payment.refunded_minor:
        found.append(tool(_("Confirm its booking"), "accept"))
    if payment.left_minor and not payment.disputed_at:
        found.append(tool(_("Refund"), "refund"))
    return found


def review_tools(request, item) -> list[Tool]:
    """What resolves an item by doing something about its money (settings.REVIEW_TOOLS)."""
    refund = refund_by_hand(item)
    if refund and request.user.has_perm("payments.take_payment"):
        return [
            Tool(_("Handed back"), reverse("admin:payments_refund_hand_back", args=[refund.pk]), post=True)
        ]
    payment = payment_in_question(item)
    found = decisions(payment, request.user, item.pk) if payment else []
    if request.user.has_perm(MAY) and (left := left_unbooked(item)):
        url = reverse("admin:payments_payment_write_down", args=[left.payment.pk])
        found.insert(0, Tool(_("Write it down"), f"{url}?review={item.pk}"))
    return found


class DecidedAdmin(ReadableAdmin):
    """Payments with their history as one list, and what may be decided about them."""

    change_form_template = "admin/payment.html"

    def render_change_form(self, request, context, *args, obj=None, **kwargs):
        if obj:
            context["timeline"] = timeline(obj, request.user)
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def tools(self, request, payment):
        return decisions(payment, request.user)

    def pages(self):
        return [
            ("<int:pk>/refund/", self.refund, "refund"),
            ("<int:pk>/accept/", self.accept, "accept"),
            ("<int:pk>/write-down/", self.write_down, "write_down"),
        ]

    def refund(self, request, pk):
        """Asks how much goes back and why; sent, it is reserved, and the worker sends it."""
        require(request, MAY)
        payment = get_object_or_404(Payment.objects.select_related("booking__patient"), pk=pk)
        form = RefundForm(request.POST if request.method == "POST" else None, payment=payment)
        if form.is_valid():
            typed = form.cleaned_data
            asked = {"amount_minor": typed["amount"], "reason": typed["reason"], "key": typed["key"]}
            if refund := self.decide(request, form, staff_actions.refund, pk, **asked):
                messages.success(request, _("%(amount)s goes back.") % {"amount": refund.amount})
                return redirect(self.back(request, pk))
        return self.ask(
            request, form, danger=True, submit=_("Give it back"), back=self.back(request, pk),
            title=_("Refund %(payment)s") % {"payment": payment}, text=about(payment),
        )  # fmt: skip

    def accept(self, request, pk):
        """Asks why; sent, money that was not what was asked for buys its place."""
        return self.ask_why(
            request, pk, staff_actions.accept, done=_("The booking is confirmed."),
            submit=_("Confirm the booking"), title=_("Accept %(payment)s for the booking"),
        )  # fmt: skip

    def write_down(self, request, pk):
        """Asks why; sent, what went back at the gateway is in our books too, and nothing is sent."""
        return self.ask_why(
            request, pk, staff_actions.write_down, done=_("It is written down."),
            submit=_("Write it down"), title=_("Write down what went back"),
            first=gone_without_us(self.review_id(request)),
        )  # fmt: skip

    def ask_why(self, request, pk, do, *, done, submit, title, first=""):
        """A decision that takes a reason and nothing else."""
        require(request, MAY)
        payment = get_object_or_404(Payment.objects.select_related("booking__patient"), pk=pk)
        form = DecisionForm(request.POST if request.method == "POST" else None)
        if form.is_valid() and self.decide(request, form, do, pk, reason=form.cleaned_data["reason"]):
            messages.success(request, done)
            return redirect(self.back(request, pk))
        return self.ask(
            request, form, submit=submit, back=self.back(request, pk),
            title=title % {"payment": payment.amount}, text=first + about(payment),
        )  # fmt: skip

    def decide(self, request, form, do, pk, **asked):
        """Does it; a refusal stands in the form, and nothing was changed."""
        try:
            return do(pk, actor=request.user, review_id=self.review_id(request), **asked)
        except Refused as refusal:
            form.add_error(None, refusal.message)

    def review_id(self, request) -> int | None:
        asked = request.GET.get("review", "")
        return int(asked) if asked.isdecimal() and len(asked) < 19 else None

    def back(self, request, pk) -> str:
        review = self.review_id(request)
        return reverse("admin:clinic_reviewitem_change", args=[review]) if review else self.url("change", pk)


def gone_without_us(review_id) -> str:
    """How much an item says went back at the gateway, in a paragraph; "" of none."""
    item = ReviewItem.objects.filter(pk=review_id).first()
    left = left_unbooked(item) if item else None
    if left is None:
        return ""
    gone = {"gone": money.display(left.amount_minor, left.currency), "gateway": left.payment.gateway}
    said = _("%(gone)s went back at %(gateway)s and is not in our books. Nothing is sent by this: it only says that the money has gone.")  # fmt: skip
    return said % gone + "\n\n"


def about(payment) -> str:
    """Whose money it is, for what, and how much of it has gone back."""
    said = {
        "who": payment.booking.patient.name,
        "asked": money.display(payment.amount_minor, payment.currency),
        "paid": payment.amount,
        "gone": money.display(payment.refunded_minor, payment.currency),
    }
    return (
        _("%(who)s: %(asked)s was asked for, %(paid)s arrived, %(gone)s has gone back or is about to.") % said
    )
