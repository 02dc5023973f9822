"""Importing what a bank or a gateway paid to doctors: choose a file, look at every line, then tick off."""

from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from clinic.errors import Refused
from clinic.pages import see_other
from payments.ledger_models import Payout
from payments.settlement_actions import settle_payouts
from payments.settlement_forms import ApplyForm, UploadForm
from payments.settlement_queries import Preview, judge

may_pay = permission_required("payments.change_payout", raise_exception=True)


@require_http_methods(["GET", "HEAD", "POST"])
@may_pay
def choose(request):
    """The form; with a file, what would become of each line. Nothing is stored."""
    posted = (request.POST, request.FILES) if request.method == "POST" else ()
    form = UploadForm(*posted)
    if not form.is_valid():
        return show(request, form=form, waiting=Payout.objects.open().for_list())
    return preview(request, form.cleaned_data["file"], form.lines)


@require_http_methods(["POST"])
@may_pay
def apply(request):
    """Does what the preview said."""
    form = ApplyForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Choose the file again."))
        return see_other("admin:settlement")
    try:
        done = Preview(settle_payouts(**form.cleaned_data, actor=request.user))
    except Refused as refusal:
        messages.error(request, refusal.message)
        return preview(request, form.cleaned_data["data"], form.lines)
    moved = ngettext("%(n)s payout ticked off.", "%(n)s payouts ticked off.", done.moves)
    messages.success(request, moved % {"n": done.moves})
    if done.to_look_at:
        said = ngettext("%(n)s line is to be looked at.", "%(n)s lines are to be looked at.", done.to_look_at)
        messages.warning(request, said % {"n": done.to_look_at})
    return see_other("admin:payments_payout_changelist")


def preview(request, data: bytes, lines):
    seen = Preview(judge(lines))
    form = ApplyForm(initial={"data": data, "seen": seen.fingerprint})
    return show(request, preview=seen, form=form)


def show(request, **content):
    content |= {"title": _("Import what the bank paid"), "opts": Payout._meta}
    return render(request, "admin/settlement.html", admin.site.each_context(request) | content)


PAGES = [
    ("payouts/import/", choose, "settlement"),
    ("payouts/import/apply/", apply, "settlement-apply"),
]
