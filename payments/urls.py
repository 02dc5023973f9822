from django.urls import path

from payments import cancel_views, checkout_views, demo_bank, diary_views, views

urlpatterns = [
    path("appointments/", diary_views.appointments, name="appointments"),
    path("pay/<str:public_id>/", views.pay, name="pay"),
    path("pay/<str:public_id>/<str:gateway>/", checkout_views.checkout, name="checkout"),
    path("pay/<str:public_id>/<str:gateway>/back/", checkout_views.checkout_back, name="checkout-back"),
    path("b/<str:public_id>/", views.booking, name="booking"),
    path("b/<str:public_id>/status", views.status, name="booking-status"),
    path("b/<str:public_id>/receipt/", views.receipt, name="receipt"),
    path("b/<str:public_id>/return/", views.come_back, name="booking-return"),
    path("b/<str:public_id>/cancel/", cancel_views.cancel, name="cancel"),
    path("api/v1/webhooks/<str:gateway>", views.webhook, name="webhook"),
    path("demo-gateway/<uuid:key>/", demo_bank.page, name="demo-gateway"),
]
