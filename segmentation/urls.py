"""Every address of the site but the admin's."""

from django.contrib.auth import views as auth
from django.urls import include, path

from . import api
from .views import arriving, calibration, histogram, jobs, pages, results, samples, upload

urlpatterns = [
    path("", upload.home, name="home"),
    path("uploads/", arriving.uploads, name="uploads"),
    path("uploads/cards/", arriving.cards, name="upload-cards"),
    path("uploads/pairs/", arriving.pairs, name="upload-pairs"),
    path("uploads/<uuid:pk>/preview.png", upload.preview, name="upload-preview"),
    path("uploads/<uuid:pk>/reading.png", calibration.reading, name="upload-reading"),
    path("uploads/<uuid:pk>/check/", calibration.check, name="upload-check"),
    path("sample/", upload.sample, name="sample"),
    path("sample.tif", upload.sample_download, name="sample-download"),
    path("samples/", samples.samples, name="samples"),
    path("samples/<uuid:pk>/", samples.sample, name="sample-page"),
    path("samples/<uuid:pk>/status/", samples.status, name="sample-status"),
    path("samples/<uuid:pk>/images/", samples.images, name="sample-images"),
    path("samples/<uuid:pk>/images/<uuid:job>/", samples.image, name="sample-image"),
    path("samples/<uuid:pk>/histogram/", histogram.of_sample, name="sample-histogram"),
    path("samples/<uuid:pk>/outlines.json", samples.outlines, name="sample-outlines"),
    path("samples/<uuid:pk>/name/", samples.name, name="sample-name"),
    path("samples/<uuid:pk>/add/", samples.add, name="sample-add"),
    path("samples/<uuid:pk>/retry/", samples.retry, name="sample-retry"),
    path("samples/<uuid:pk>/cancel/", samples.cancel, name="sample-cancel"),
    path("samples/<uuid:pk>/scale/", samples.scale, name="sample-scale"),
    path("samples/<uuid:pk>/delete/", samples.delete, name="sample-delete"),
    path("samples/<uuid:pk>/files/<str:name>", samples.file, name="sample-file"),
    path("jobs/<uuid:pk>/", jobs.job, name="job"),
    path("jobs/<uuid:pk>/status/", jobs.status, name="job-status"),
    path("jobs/<uuid:pk>/cancel/", jobs.cancel, name="job-cancel"),
    path("jobs/<uuid:pk>/retry/", jobs.retry, name="job-retry"),
    path("jobs/<uuid:pk>/delete/", jobs.delete, name="job-delete"),
    path("jobs/<uuid:pk>/rerun/", jobs.rerun, name="job-rerun"),
    path("jobs/<uuid:pk>/width/", jobs.width, name="job-width"),
    path("jobs/<uuid:pk>/histogram/", histogram.histogram, name="job-histogram"),
    path("jobs/<uuid:pk>/tiles/<int:level>/<int:column>-<int:row>.png", jobs.tile, name="job-tile"),
    path("jobs/<uuid:pk>/files/<str:name>", jobs.artifact, name="artifact"),
    path("results/", results.results, name="results"),
    path("results/selected/", results.selected, name="results-selected"),
    path("results/adopt/", results.claim, name="claim-results"),
    path("models/", pages.models, name="models"),
    path("models/<str:name>/small.jpg", pages.kind_picture, name="kind-picture"),
    path("models/<str:name>/pictures/<str:which>", pages.example, name="model-example"),
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
    path("api/", include(api.urlpatterns)),
]
