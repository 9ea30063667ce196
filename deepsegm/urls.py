"""Addresses: the admin's, then the app's."""

from django.contrib import admin
from django.urls import include, path

from segmentation.admin import sign_in
from segmentation.views import watch

urlpatterns = [
    path("admin/login/", sign_in),  # in front of the admin's own, which asks for a password alone
    path("admin/", admin.site.admin_view(watch.status)),  # what staff need every day; Django's own is a press away
    path("admin/advanced/", admin.site.admin_view(admin.site.index), name="advanced"),
    path("admin/", admin.site.urls),
    path("", include("segmentation.urls")),
]

# Scripts get JSON; an oversized form is a bad request to Django, of which our page says so with 413.
handler400 = "segmentation.http.errors.bad_request"
handler404 = "segmentation.http.errors.not_found"
handler500 = "segmentation.http.errors.broken"
