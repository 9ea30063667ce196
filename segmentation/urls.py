"""The addresses of all pages, views and files of the site, except those of the admin
(deepsegm/urls.py)."""

from allauth.account import views as allauth
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import include, path
from django.views.decorators.http import require_safe
from django.views.generic import RedirectView

from . import api
from .learning.datasets import pages as datasets
from .learning.trainings import pages as trainings
from .models import Job, Sample
from .quality.methods import pages as methods
from .views import account, compare, laboratory, links, pages, results, samples, upload, watch
from .views.job import calibration, histogram, job_files, job_status, jobs, reruns

# Context of the template of the sign-in page; Django calls the functions.
SIGN_IN = {
    "site_closed": lambda: settings.DEEPSEGM_REQUIRE_LOGIN,
    "provider": lambda: settings.DEEPSEGM_OIDC_NAME if settings.DEEPSEGM_OIDC_URL else "",
    "provider_makes_accounts": lambda: settings.DEEPSEGM_OIDC_ACCOUNTS == "new",
}
# Views of one row: type of the row, module of the views, and their names. A view VIEW of a TYPE has
# the address TYPEs/ID/VIEW/ and the URL name TYPE-VIEW.
ACTIONS = (
    ("sample", samples, "status images name add retry corrections cancel scale close reopen delete"),
    ("job", job_status, "status"),
    ("job", jobs, "state proposals cancel retry delete sign version"),
    ("job", reruns, "settings rerun change page width"),
    ("dataset", datasets, "status describe add check delete"),
    ("method", methods, "approve withdraw change discard"),
    ("training", trainings, "status cancel retry offer withdraw share delete"),
)
urlpatterns = [
    *(
        path(f"{kind}s/<uuid:pk>/{action}/", getattr(views, action), name=f"{kind}-{action}")
        for kind, views, actions in ACTIONS
        for action in actions.split()
    ),
    path("", upload.home, name="home"),
    path("uploads/pairs/", upload.pairs, name="upload-pairs"),
    path("uploads/<uuid:pk>/preview.png", upload.preview, name="upload-preview"),
    path("uploads/<uuid:pk>/reading.png", calibration.reading, name="upload-reading"),
    path("laboratory/", laboratory.laboratory_page, name="laboratory"),
    path("sample/", upload.sample, name="sample"),
    path("sample.tif", upload.sample_download, name="sample-download"),
    path("samples/", require_safe(RedirectView.as_view(url="/results/?show=samples")), name="samples"),
    path("samples/<uuid:pk>/", samples.sample, name="sample-page"),
    path("samples/<uuid:pk>/images/<uuid:job>/", samples.image, name="sample-image"),
    path("samples/<uuid:pk>/images/<uuid:job>/ignore/", samples.ignore, name="sample-ignore"),
    path("samples/<uuid:pk>/histogram/", histogram.sample_histogram, name="sample-histogram"),
    path("samples/<uuid:pk>/outlines.json", samples.outlines, name="sample-outlines"),
    path("samples/<uuid:pk>/link/", links.link, {"kind": "sample"}, name="sample-link"),
    path("samples/<uuid:pk>/files/<str:name>", samples.file, name="sample-file"),
    path("jobs/<uuid:pk>/", jobs.job, name="job"),
    path("jobs/<uuid:pk>/go-on/", jobs.go_on, name="job-go-on"),
    path("jobs/<uuid:pk>/automatic/", jobs.automatic, name="job-automatic"),
    path("jobs/<uuid:pk>/add/", samples.add, {"kind": Job}, name="job-add"),
    path("jobs/<uuid:pk>/outlines/", reruns.import_from_tool, name="job-outlines"),
    path("jobs/<uuid:pk>/corrections.json", job_files.log, {"kind": "json"}, name="job-log"),
    path("jobs/<uuid:pk>/corrections.csv", job_files.log, {"kind": "csv"}, name="job-log-csv"),
    path("jobs/<uuid:pk>/training-data/", datasets.use, {"kind": Job}, name="job-training-data"),
    path("samples/<uuid:pk>/training-data/", datasets.use, {"kind": Sample}, name="sample-training-data"),
    path("", include("segmentation.quality.urls")),
    path("jobs/<uuid:pk>/link/", links.link, {"kind": "job"}, name="job-link"),
    path("jobs/<uuid:pk>/histogram/", histogram.histogram, name="job-histogram"),
    path("jobs/<uuid:pk>/tiles/<int:level>/<int:column>-<int:row>.png", job_files.tile, name="job-tile"),
    path("jobs/<uuid:pk>/files/<str:name>", job_files.artifact, name="artifact"),
    path("compare/", compare.compare, name="compare"),
    path("results/", results.results, name="results"),
    path("results/selected/", results.selected, name="results-selected"),
    path("results/adopt/", results.claim, name="claim-results"),
    path("datasets/", datasets.datasets, name="datasets"),
    path("datasets/<uuid:pk>/", datasets.dataset, name="dataset-page"),
    path("datasets/<uuid:pk>/export.zip", datasets.export, name="dataset-export"),
    path("datasets/<uuid:pk>/images/<uuid:image>/preview.webp", datasets.preview, name="dataset-preview"),
    path("datasets/<uuid:pk>/images/<uuid:image>/group/", datasets.group, name="dataset-group"),
    path("datasets/<uuid:pk>/images/<uuid:image>/remove/", datasets.remove, name="dataset-remove"),
    path("results/again/", trainings.again, name="results-again"),
    path("datasets/<uuid:pk>/train/", trainings.new, name="training-new"),
    path("trainings/<uuid:pk>/", trainings.training, name="training"),
    path("trainings/<uuid:pk>/files/<str:name>", trainings.file, name="training-file"),
    path("methods/", methods.methods, name="methods"),
    path("methods/<uuid:pk>/", methods.method, name="method"),
    path("methods/<uuid:pk>/version-<int:number>.json", methods.file, name="method-file"),
    path("models/", pages.models, name="models"),
    path("default-model/", trainings.default, name="model-default"),
    path("models/<str:name>/", pages.model, name="model"),
    path("models/<str:name>/package.zip", pages.model_package, name="model-package"),
    path("models/files/<str:name>", pages.weights, name="model-file"),
    path("models/<str:name>/small.jpg", pages.kind_picture, name="kind-picture"),
    path("models/<str:name>/pictures/<str:which>", pages.example, name="model-example"),
    path("help/", pages.help_page, name="help"),
    path("status/", admin.site.admin_view(watch.status), name="status"),
    path("healthz", watch.healthz, name="healthz"),
    path("readyz", watch.readyz, name="readyz"),
    path("metrics", watch.metrics, name="metrics"),
    path("accounts/login/", allauth.LoginView.as_view(extra_context=SIGN_IN), name="account_login"),
    path("accounts/password/", allauth.password_change, name="account_change_password"),
    path("accounts/again/", allauth.reauthenticate, name="account_reauthenticate"),
    path("account/second-factor/", include("allauth.mfa.urls")),
    path("account/", account.account, name="account"),
    path("account/", account.account, name="account_set_password"),  # only the administrator sets a first password
    path("account/tokens/", account.make_token, name="token-make"),
    path("account/tokens/<uuid:pk>/revoke/", account.revoke, name="token-revoke"),
    path("account/webhooks/", account.make_webhook, name="webhook-make"),
    path("account/webhooks/<uuid:pk>/test/", account.test_webhook, name="webhook-test"),
    path("account/webhooks/<uuid:pk>/start/", account.start_webhook, name="webhook-start"),
    path("account/webhooks/<uuid:pk>/delete/", account.delete_webhook, name="webhook-delete"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    path("api/", include(api.urlpatterns)),
]
if apps.is_installed("allauth.socialaccount.providers.openid_connect"):
    urlpatterns.append(path("accounts/oidc/", include("segmentation.views.openid")))
