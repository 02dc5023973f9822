from django.urls import path

from payments import demo_bank, views

urlpatterns = [
    path("pay/<str:public_id>/", views.pay, name="pay"),
    path("b/<str:public_id>/", views.booking, name="booking"),
    path("b/<str:public_id>/status", views.status, name="booking-status"),
    path("b/<str:public_id>/receipt/", views.receipt, name="receipt"),
    path("b/<str:public_id>/return/", views.come_back, name="booking-return"),
    path("api/v1/webhooks/<str:gateway>", views.webhook, name="webhook"),
    path("demo-gateway/<uuid:key>/", demo_bank.page, name="demo-gateway"),
]
