from django.urls import path

from bookings import family_views, feed_views, move_views, views

urlpatterns = [
    path("book/<int:schedule_id>/", views.book, name="book"),
    path("b/<str:public_id>/slip/", views.slip, name="slip"),
    path("b/<str:public_id>/move/", move_views.move, name="move"),
    path("b/<str:public_id>/visit.ics", views.calendar_file, name="calendar-file"),
    path("b/<str:public_id>/give-up/", views.give_up, name="give-up"),
    path("b/<str:public_id>/pay-at-desk/", views.pay_at_desk, name="pay-at-desk"),
    path("family/", family_views.family, name="family"),
    path("family/add/", family_views.person, name="add-person"),
    path("family/<int:pk>/", family_views.person, name="person"),
    path("family/<int:pk>/remove/", family_views.remove, name="remove-person"),
    path("calendar/<slug:code>.ics", feed_views.feed, name="calendar-feed"),
    path("board/", views.board, name="board"),
]
