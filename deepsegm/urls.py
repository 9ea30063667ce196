"""Addresses: the admin's, then the app's."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("segmentation.urls")),
]
