"""All addresses: those of the admin, then those of the app (segmentation/urls.py)."""

from django.contrib import admin
from django.urls import include, path

from segmentation.admin import sign_in
from segmentation.views import watch

urlpatterns = [
    path("admin/login/", sign_in),  # in place of Django's own, which asks only for a password
    path("admin/", admin.site.admin_view(watch.status)),  # staff need the status every day; it links to Django's index
    path("admin/advanced/", admin.site.admin_view(admin.site.index), name="advanced"),
    path("admin/", admin.site.urls),
    path("", include("segmentation.urls")),
]

# Our error pages; scripts get JSON in their place.
handler400 = "segmentation.http.errors.bad_request"
handler404 = "segmentation.http.errors.not_found"
handler500 = "segmentation.http.errors.broken"
