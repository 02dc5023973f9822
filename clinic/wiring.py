"""Which function of which app is called where an app must reach upwards: dotted paths, each a setting."""

SWEEPS = [
    "bookings.sweeps.expire_lapsed_holds",
    "bookings.sweeps.finish_schedules",
    "bookings.sweeps.carry_out_closures",
    "schedules.sweeps.open_ahead",
    "schedules.sweeps.delete_empty",
    "payments.sweeps.process_inbox",
    "payments.sweeps.close_open_payments",
    "payments.sweeps.make_refunds",
    "payments.sweeps.send_refunds",
    "payments.sweeps.book_ledger",
    "bookings.sweeps.warn_of_lapsing_holds",
    "clinic.notice_sweeps.send_notices",
    "clinic.hook_sweeps.deliver_hooks",
    "clinic.hook_sweeps.forget_deliveries",
    "clinic.idempotency_sweeps.forget_answers",
]
INVARIANTS = ["bookings.invariants", "payments.invariants"]
READINESS = ["payments.readiness.warnings"]
PAYMENT_READY = "payments.readiness.can_pay"
LOCK_WINDOW = "bookings.steps.lock_window"
"""Locks a window and gives back what its lapsed holds take, so that `taken` is the truth without a sweep."""

NOTICE_WORDS = {
    "visit": "bookings.notice_words.words",
    "refund": "payments.notice_words.refunds",
    "payout": "payments.notice_words.payouts",
    "review": "clinic.notice_words.words",
}
"""Who finds the words of a notice, by the first word of its kind."""

HOOK_FACTS = {"visit": "bookings.hook_queries.facts", "refund": "payments.hook_queries.facts"}
"""Who knows what webhooks say, by the first word of a notice's kind."""

ADMIN_PAGES = [
    "clinic.notice_views.PAGES",
    "schedules.hours_views.PAGES",
    "bookings.desk_views.PAGES",
    "bookings.dashboard_views.PAGES",
    "bookings.closure_admin.PAGES",
    "bookings.feed_views.PAGES",
    "payments.counter_views.PAGES",
    "payments.due_views.PAGES",
    "payments.money_views.PAGES",
    "payments.report_views.PAGES",
    "payments.drawer_views.PAGES",
    "payments.earnings_views.PAGES",
    "payments.settlement_views.PAGES",
]
"""Admin's own pages, beside its tables."""
DOCTOR_TOOLS = "schedules.hours_admin.doctor_tools"
"""What stands beside a doctor's name in admin."""
SERVICE_ADVICE = "schedules.service_queries.advice"
"""What a manager is told who has saved a service that patients can't book (everywhere)."""
WINDOW_TOOLS = "bookings.closure_admin.window_tools"
"""What managers may do with a window that has bookings."""
REVIEW_TOOLS = "payments.decide_admin.review_tools"
"""What resolves a ReviewItem, beside accepting it with a note."""
DESK_TILES = [
    "bookings.desk_views.TODAY_TILE",
    "payments.counter_views.WALK_IN_TILE",
    "bookings.desk_views.DESK_TILE",
    "bookings.dashboard_views.DASHBOARD_TILE",
    "payments.money_views.MONEY_TILE",
    "payments.drawer_views.CASH_TILE",
    "payments.earnings_views.EARNINGS_TILE",
    "clinic.notice_views.INBOX_TILE",
    "bookings.feed_views.CALENDAR_TILE",
    "schedules.hours_views.HOURS_TILE",
    "clinic.admin.REVIEW_TILE",
]
"""What admin offers first, in this order, to those who may."""
