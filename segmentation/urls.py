"""Every address of the site but the admin's."""

from django.contrib.auth import views as auth
from django.urls import path

from . import api
from .views import jobs, pages, results, upload

urlpatterns = [
    path("", upload.home, name="home"),
    path("uploads/", upload.uploads, name="uploads"),
    path("uploads/<uuid:pk>/preview.png", upload.preview, name="upload-preview"),
    path("sample/", upload.sample, name="sample"),
    path("sample.tif", upload.sample_download, name="sample-download"),
    path("jobs/<uuid:pk>/", jobs.job, name="job"),
    path("jobs/<uuid:pk>/status/", jobs.status, name="job-status"),
    path("jobs/<uuid:pk>/cancel/", jobs.cancel, name="job-cancel"),
    path("jobs/<uuid:pk>/retry/", jobs.retry, name="job-retry"),
    path("jobs/<uuid:pk>/delete/", jobs.delete, name="job-delete"),
    path("jobs/<uuid:pk>/rerun/", jobs.rerun, name="job-rerun"),
    path("jobs/<uuid:pk>/width/", jobs.width, name="job-width"),
    path("jobs/<uuid:pk>/files/<str:name>", jobs.artifact, name="artifact"),
    path("results/", results.results, name="results"),
    path("models/", pages.models, name="models"),
    path("help/", pages.help_page, name="help"),
    path("healthz", pages.healthz, name="healthz"),
    path("accounts/login/", pages.SignIn.as_view(), name="login"),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
    path(
        "accounts/password/",
        auth.PasswordChangeView.as_view(template_name="accounts/password_change.html"),
        name="password_change",
    ),
    path(
        "accounts/password/done/",
        auth.PasswordChangeDoneView.as_view(template_name="accounts/password_changed.html"),
        name="password_change_done",
    ),
    path("api/v1/jobs", api.jobs, name="api-jobs"),
    path("api/v1/jobs/<uuid:pk>", api.job, name="api-job"),
    path("api/v1/jobs/<uuid:pk>/cancel", api.cancel, name="api-cancel"),
    path("api/v1/jobs/<uuid:pk>/files/<str:name>", api.artifact, name="api-artifact"),
    path("api/<path:rest>", api.unknown, name="api-unknown"),
]
