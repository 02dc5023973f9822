from django.urls import path

from schedules import views

urlpatterns = [
    path("", views.home, name="home"),
    path("doctors/<slug:slug>/", views.doctor, name="doctor"),
]
