"""My family: the people whom an account books for."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from bookings.family_actions import remove_person, save_person
from bookings.family_forms import PersonForm
from clinic.errors import Refused
from clinic.membership_models import Membership
from clinic.models import Patient
from clinic.pages import private, see_other

AS_FORM = require_http_methods(["GET", "HEAD", "POST"])


@private
@require_safe
@login_required
def family(request):
    """Everybody the account books for, and the plan that covers them today."""
    today = timezone.localdate()
    people = list(Patient.objects.of(request.user).order_by("pk"))
    for person in people:
        person.years = person.age_on(today)
    plans = Membership.objects.in_force(today).of(request.user.pk).select_related("plan")
    return render(request, "bookings/family.html", {"people": people, "membership": plans.first()})


@private
@AS_FORM
@login_required
def person(request, pk=None):
    """One of them, or somebody new, to be typed."""
    people = list(Patient.objects.of(request.user).order_by("pk"))
    one = get_object_or_404(Patient.objects.of(request.user), pk=pk) if pk else None
    form = PersonForm(request.POST or None, instance=one, people=people)
    if form.is_valid():
        try:
            save_person(form.instance, account=request.user)
        except Refused as refusal:
            form.add_error(None, refusal.message)
        else:
            messages.success(request, _("Saved: %(name)s") % {"name": form.instance.name})
            return see_other("family")
    status = 422 if form.errors else 200
    return render(request, "bookings/person.html", {"form": form, "person": one}, status=status)


@private
@AS_FORM
@login_required
def remove(request, pk):
    """Asks first; sent, the person is off the list."""
    one = get_object_or_404(Patient.objects.of(request.user), pk=pk)
    refusal = None
    if request.method == "POST":
        try:
            remove_person(one.pk, account=request.user)
        except Refused as no:
            refusal = no
        else:
            messages.success(request, _("Taken off your list: %(name)s") % {"name": one.name})
            return see_other("family")
    status = refusal.status if refusal else 200
    return render(request, "bookings/remove_person.html", {"person": one, "refusal": refusal}, status=status)
