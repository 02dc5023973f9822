"""Cash drawers in Django's admin: opened and counted on pages of their own, then never changed."""

from django import forms
from django.contrib import admin, messages
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic import money
from clinic.admin import ReadableAdmin, Tool
from clinic.adminsite import require
from clinic.errors import Refused
from clinic.forms import MoneyField
from clinic.pages import see_other
from payments.drawer_actions import close_drawer, open_drawer
from payments.drawer_models import Drawer

TAKE = "payments.take_payment"


class OpenForm(forms.Form):
    float_minor = MoneyField(label=gettext_lazy("How much is in it now?"), initial=0)


class CountForm(forms.Form):
    counted_minor = MoneyField(label=gettext_lazy("How much did you count?"))
    note = forms.CharField(
        label=gettext_lazy("Why it differs"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("Only if it does."),
    )


@admin.register(Drawer)
class DrawerAdmin(ReadableAdmin):
    list_display = [
        "opened_by",
        "opened_at",
        "closed_at",
        "first",
        "expected",
        "counted",
        "difference",
        "note",
    ]
    list_filter = [("closed_at", admin.EmptyFieldListFilter), "opened_by"]
    list_select_related = ["opened_by"]
    search_fields = ["opened_by__name", "opened_by__email", "note"]
    date_hierarchy = "opened_at"
    list_per_page = 50
    fields = [
        "opened_by",
        "opened_at",
        "first",
        "closed_at",
        "closed_by",
        "expected",
        "counted",
        "difference",
        "note",
    ]

    def pages(self):
        return [("open/", self.open, "open"), ("<int:pk>/count/", self.count, "count")]

    def tools(self, request, drawer):
        return (
            [Tool(_("Count and close"), self.url("count", drawer.pk))] if may_count(request, drawer) else []
        )

    def open(self, request):
        """Opens a drawer of one's own."""
        require(request, TAKE)
        form = OpenForm(request.POST or None)
        if form.is_valid():
            try:
                open_drawer(float_minor=form.cleaned_data["float_minor"], actor=request.user)
            except Refused as refusal:
                messages.error(request, refusal.message)
            else:
                messages.success(request, _("Your drawer is open. What you take from now on goes into it."))
            return see_other("admin:cash")
        return self.ask(
            request, form, title=_("Open a drawer"), submit=_("Open"), back=self.url("changelist")
        )

    def count(self, request, pk):
        """Counts and closes a drawer: one's own, or anybody's for a manager."""
        drawer = get_object_or_404(Drawer.objects.select_related("opened_by"), pk=pk)
        if not may_count(request, drawer):
            require(request, "payments.change_drawer")
        form = CountForm(request.POST or None)
        if form.is_valid():
            try:
                drawer = close_drawer(pk, **form.cleaned_data, actor=request.user)
            except Refused as refusal:
                form.add_error("note" if refusal.code == "NOTE_NEEDED" else None, refusal.message)
            else:
                messages.success(request, _("Closed: %(counted)s counted.") % {"counted": drawer.counted})
                return see_other("admin:cash")
        return self.ask(
            request, form, title=_("Count the drawer of %(who)s") % {"who": drawer.opened_by},
            text=_("Count the cash, with what was in it at first."), submit=_("Close the drawer"),
            back=self.url("changelist"),
        )  # fmt: skip

    @admin.display(description=gettext_lazy("in it at first"), ordering="float_minor")
    def first(self, drawer):
        return money.display(drawer.float_minor, drawer.currency)

    @admin.display(description=gettext_lazy("expected"), ordering="expected_minor")
    def expected(self, drawer):
        return "–" if drawer.closed_at is None else money.display(drawer.expected_minor, drawer.currency)

    @admin.display(description=gettext_lazy("counted"), ordering="counted_minor")
    def counted(self, drawer):
        return "–" if drawer.closed_at is None else drawer.counted

    @admin.display(description=gettext_lazy("difference"))
    def difference(self, drawer):
        return drawer.difference or "–"


def may_count(request, drawer: Drawer) -> bool:
    """An open drawer is counted by whose it is, or by a manager."""
    theirs = drawer.opened_by_id == request.user.pk and request.user.has_perm(TAKE)
    return drawer.closed_at is None and (theirs or request.user.has_perm("payments.change_drawer"))
