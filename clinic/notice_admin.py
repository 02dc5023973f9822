"""What was told to whom, among admin's tables."""

from django.contrib import admin
from django.utils.translation import gettext_lazy

from clinic.admin import ReadableAdmin
from clinic.notice_models import KINDS, Notice


class NoticeKind(admin.SimpleListFilter):
    title = gettext_lazy("what")
    parameter_name = "kind"

    def lookups(self, request, model_admin):
        return KINDS.items()

    def queryset(self, request, queryset):
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(Notice)
class NoticeAdmin(ReadableAdmin):
    list_display = ["what", "recipient", "channel", "status", "due_at", "sent_at", "tries"]
    list_filter = ["status", NoticeKind, "recipient"]
    date_hierarchy = "created_at"
    list_per_page = 50
    fields = ["what", "recipient", "channel", "status", "created_at", "due_at", "sent_at", "tries", "error"]

    @admin.display(description=gettext_lazy("what"), ordering="kind")
    def what(self, notice):
        return notice.what
