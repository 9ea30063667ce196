"""Addresses: the admin's, then the app's."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("segmentation.urls")),
]

# An oversized form is a bad request to Django; our page says so with 413.
handler400 = "segmentation.views.pages.bad_request"
