"""Addresses: the admin's, then the app's."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("segmentation.urls")),
]

# Scripts get JSON. An oversized form is a bad request to Django; our page answers it with 413.
handler400 = "segmentation.views.errors.bad_request"
handler403 = "segmentation.views.errors.forbidden"
handler404 = "segmentation.views.errors.not_found"
handler500 = "segmentation.views.errors.broken"
