"""Messages of webhooks to a real server: signed, tried again, never led astray."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from django.utils import timezone
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from segmentation.models import Delivery, Superseded, Webhook
from segmentation.services.access import webhooks
from segmentation.services.ground import bounds
from segmentation.services.ground.refusal import Refused
from segmentation.services.results import after_inspection, publishing
from segmentation.services.upkeep import upkeep
from worker import delivering, tasks

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat")]
LOOKED_UP = socket.getaddrinfo


class Receiver(ThreadingHTTPServer):
    """A server that keeps what it was sent and answers as told: with each of `answers`, the last one again and again.

    An answer is a status, or a function that writes to the wire.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.got = [204], []
        self.url = f"http://127.0.0.1:{self.server_port}/hook?a=1"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, {**self.headers}, body))
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if callable(answer):
            try:
                answer(self)
            except OSError:  # the other side has had enough
                return
        else:
            self.send_response(answer)
            self.end_headers()

    def do_GET(self):
        self.server.got.append((self.path, {}, b""))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def receiver():
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def hook(alice, receiver, settings):
    """A webhook to the receiver, on a site that allows private addresses."""
    settings.DEEPSEGM_WEBHOOKS_PRIVATE = True
    return webhooks.create_webhook(user=alice, url=receiver.url, pk=uuid4())


def try_all():
    """Every message that waits is due now, and is tried once."""
    Delivery.objects.filter(state="queued").update(due=None)
    deliver_all()


def send_and_try(hook):
    webhooks.send_test(webhook=hook)
    try_all()


def deliver_all():
    while Delivery.objects.waiting().exists():
        tasks.do_inspections()


def the_only():
    return Delivery.objects.get()


def test_a_message_is_signed_by_the_standard(hook, receiver):
    send_and_try(hook)
    path, headers, body = receiver.got[0]
    assert path == "/hook?a=1" and headers["Host"] == f"127.0.0.1:{receiver.server_port}"
    assert Verifier(hook.secret).verify(body, headers)["type"] == "test"
    with pytest.raises(WebhookVerificationError):
        Verifier(hook.secret).verify(body + b" ", headers)
    assert headers["webhook-id"] == str(the_only().pk)
    assert (the_only().state, the_only().answer) == ("done", "204")


@pytest.mark.parametrize("site", ["", "https://sem.example.org"])
def test_who_ends_a_job_tells_its_owner(hook, receiver, make_job, alice, charlie, settings, site):
    from urllib.parse import urlsplit

    settings.DEEPSEGM_URL = urlsplit(site) if site else None
    jobs = [make_job(owner=user, state="running", attempt=1) for user in (alice, charlie, None)]
    for job in jobs:
        publishing.fail_row(row=job, sentence="It failed.")
    try_all()
    (_, _, body) = receiver.got[0]
    assert len(receiver.got) == 1
    payload = the_only().payload
    assert payload["type"] == "job.failed" and json.loads(body) == payload
    assert payload["data"] == {
        "id": str(jobs[0].pk),
        "url": f"{site}/api/v1/jobs/{jobs[0].pk}",
        "page": f"{site}/jobs/{jobs[0].pk}/",
        "state": "failed",
        "name": "tio2.png",
        "error": "It failed.",
        "sample": None,
    }


@pytest.mark.services
def test_a_finished_job_is_told_in_the_same_transaction(hook, make_job, alice, tmp_path):
    job = make_job(owner=alice, state="running", attempt=1)
    publishing.publish(job=job, files={}, summary={})
    assert the_only().event == "job.done"
    taken = make_job(owner=alice, state="running", attempt=2)
    taken.attempt = 1
    with pytest.raises(Superseded):
        publishing.publish(job=taken, files={}, summary={})
    assert Delivery.objects.count() == 1


def test_an_image_that_cannot_be_read_is_told(hook, make_job, make_micrograph, alice):
    image = make_micrograph(owner=alice, state="running", attempt=1)
    make_job(owner=alice, micrograph=image, ready=False)
    after_inspection.fail_upload(micrograph=image, sentence="No image.")
    assert (the_only().event, the_only().payload["data"]["error"]) == ("job.failed", "No image.")


@pytest.mark.services
def test_what_is_not_accepted_comes_again(hook, receiver):
    receiver.answers = [500, 302, 200]
    webhooks.send_test(webhook=hook)
    first = timezone.now()
    tasks.do_inspections()
    waiting = the_only()
    assert (waiting.state, waiting.answer) == ("queued", "500")
    assert timedelta(seconds=3) < waiting.due - first < timedelta(seconds=7)
    tasks.do_inspections()
    assert len(receiver.got) == 1, "not before it is due"
    try_all()
    assert the_only().answer == "302"
    hook.refresh_from_db()
    assert hook.failing
    try_all()
    hook.refresh_from_db()
    assert (the_only().state, hook.failing) == ("done", None)
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 1


def test_it_is_given_up_after_days(hook, receiver):
    receiver.answers = [500]
    webhooks.send_test(webhook=hook)
    for age, state in ((timedelta(days=3), "queued"), (timedelta(days=4), "failed")):
        Delivery.objects.update(created=timezone.now() - age)
        try_all()
        assert the_only().state == state


def test_a_webhook_stops_after_five_days_and_starts_again(hook, receiver, alice):
    receiver.answers = [500]
    Webhook.objects.update(failing=timezone.now() - timedelta(days=5, seconds=1))
    webhooks.send_test(webhook=hook)
    send_and_try(hook)
    hook.refresh_from_db()
    assert hook.stopped and len(receiver.got) == 1
    assert set(Delivery.objects.values_list("state", flat=True)) == {"failed"}
    with pytest.raises(Refused):
        webhooks.send_test(webhook=hook)
    webhooks.restart_webhook(webhook=hook)
    hook.refresh_from_db()
    receiver.answers = [200]
    send_and_try(hook)
    assert Delivery.objects.filter(state="done").count() == 1


def test_gone_stops_it_at_once(hook, receiver):
    receiver.answers = [410]
    send_and_try(hook)
    hook.refresh_from_db()
    assert hook.stopped and the_only().state == "failed"


def test_no_redirect_is_followed(hook, receiver):
    def redirect(handler):
        handler.send_response(307)
        handler.send_header("Location", receiver.url.replace("/hook", "/elsewhere"))
        handler.end_headers()

    receiver.answers = [redirect]
    send_and_try(hook)
    assert [path for path, _, _ in receiver.got] == ["/hook?a=1"]
    assert (the_only().state, the_only().answer) == ("queued", "307")


def slowly(handler):
    """A byte now and then: no single wait is long."""
    for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        time.sleep(0.05)


def never(handler):
    time.sleep(1.5)


@pytest.mark.parametrize("answer", [slowly, never])
def test_a_slow_answer_is_cut_off(hook, receiver, monkeypatch, answer):
    monkeypatch.setattr(delivering, "MESSAGE_SECONDS", 0.5)
    receiver.answers = [answer]
    send_and_try(hook)
    assert (the_only().state, the_only().answer) == ("queued", delivering.LATE)  # to its end it would not be late


def test_a_huge_answer_is_not_read(hook, receiver):
    sent = []

    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(bytes(2**20))
            sent.append(1)

    receiver.answers = [endless]
    send_and_try(hook)
    assert the_only().state == "done"
    time.sleep(0.2)
    assert len(sent) < 50


@pytest.mark.parametrize("line", [b"nonsense\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 99_999])
def test_what_is_no_http(hook, receiver, line):
    receiver.answers = [lambda handler: handler.wfile.write(line)]
    send_and_try(hook)
    assert the_only().state == "queued" and the_only().answer.startswith("no answer")


def resolving(monkeypatch, *addresses):
    """Every name leads to these addresses; returns the names that were looked up."""
    names = []

    def look_up(host, port, *args, **kwargs):
        if host[0].isdigit() or ":" in host:
            return LOOKED_UP(host, port, *args, **kwargs)
        names.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return names


PRIVATE = (
    *("127.0.0.1", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"),
    *("240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "fec0::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::1", "::7f00:1"),
    *("192.0.0.9", "192.0.0.171", "192.88.99.1", "198.18.0.1", "192.0.2.1", "2001:20::1", "3fff::1", "5f00::1"),
)


def test_names_of_private_addresses(alice, monkeypatch):
    for address in PRIVATE:
        with pytest.raises(Refused):
            webhooks.check_address(address)
    hook = webhooks.create_webhook(user=alice, url="https://lab.example.org/", pk=uuid4())
    resolving(monkeypatch, "93.184.215.14", PRIVATE[0])
    monkeypatch.setattr(delivering, "_post", lambda *arguments: pytest.fail("it connected"))
    send_and_try(hook)
    assert (the_only().state, the_only().answer) == ("queued", webhooks.PRIVATE)


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "127.0.0.1.", "localhost."])
def test_other_spellings_of_private_addresses(alice, host):
    with pytest.raises(Refused, match="private network"):
        webhooks.create_webhook(user=alice, url=f"https://{host}/", pk=uuid4())


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:93.184.215.14"])
def test_public_addresses(address):
    webhooks.check_address(address)


@pytest.mark.services
def test_accounts_take_turns_and_a_failed_try_is_a_turn(hook, receiver, charlie, monkeypatch):
    """A hundred messages that get no answer delay another account's only one by one try."""
    sent = []
    monkeypatch.setattr(delivering, "send", lambda delivery: (sent.append(delivery.webhook.owner.username), (0, ""))[1])
    for n in range(3):
        webhooks._send(webhooks.create_webhook(user=hook.owner, url=f"{receiver.url}{n}", pk=uuid4()), "job.done", {})
    other = webhooks.create_webhook(user=charlie, url=receiver.url, pk=uuid4())
    deliver_all()
    webhooks._send(hook, "job.done", {})
    webhooks._send(other, "job.done", {})
    deliver_all()
    assert sent == ["alice", "alice", "alice", "charlie", "alice"]


def test_test_messages_are_limited(hook):
    for _ in range(bounds.MOST_TESTS_A_MINUTE):
        webhooks.send_test(webhook=hook)
    with pytest.raises(Refused) as caught:
        webhooks.send_test(webhook=hook)
    assert caught.value.status == 429


def test_a_name_is_looked_up_once(hook, receiver, monkeypatch):
    """A name that leads elsewhere a moment later leads nowhere."""
    Webhook.objects.update(url=receiver.url.replace("127.0.0.1", "lab.example.org"))
    names = resolving(monkeypatch, "127.0.0.1")
    send_and_try(hook)
    assert names == ["lab.example.org"] and the_only().state == "done"
    assert receiver.got[0][1]["Host"].startswith("lab.example.org:")


@pytest.fixture
def certified(receiver, tmp_path, monkeypatch):
    """The receiver speaks TLS, with a certificate for lab.example.org that the system trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "drawn")]), timezone.now()
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    builder = builder.public_key(key.public_key()).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    alternative = x509.SubjectAlternativeName([x509.DNSName("lab.example.org")])
    certificate = builder.add_extension(alternative, critical=False).sign(key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "pair.pem").write_bytes(private + certificate.public_bytes(Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "pair.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pair.pem")
    receiver.names = []
    context.sni_callback = lambda wire, name, context: receiver.names.append(name)
    receiver.socket = context.wrap_socket(receiver.socket, server_side=True)


@pytest.mark.usefixtures("certified")
@pytest.mark.parametrize(("name", "answer"), [("lab", "204"), ("other", "the certificate is not valid: Hostname mis")])
def test_the_certificate_is_that_of_the_name(hook, receiver, monkeypatch, name, answer):
    """The first address takes no connection: the second does."""
    Webhook.objects.update(url=f"https://{name}.example.org:{receiver.server_port}/")
    resolving(monkeypatch, "127.0.0.2", "127.0.0.1")
    send_and_try(hook)
    assert the_only().answer.startswith(answer) and receiver.names == [f"{name}.example.org"]
    assert all(headers["Host"] == f"lab.example.org:{receiver.server_port}" for _, headers, _ in receiver.got)
    assert len(receiver.got) == (answer == "204")


def test_no_proxy_of_the_environment(hook, receiver, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    send_and_try(hook)
    assert the_only().state == "done"


def test_a_setting_taken_back_counts(hook, receiver, settings):
    settings.DEEPSEGM_WEBHOOKS_PRIVATE = False
    send_and_try(hook)
    assert the_only().answer == webhooks.NO_HTTPS and not receiver.got


def test_a_dead_address_does_not_hold_up_others(hook, receiver, alice, settings):
    dead = webhooks.create_webhook(user=alice, url="http://127.0.0.1:1024/", pk=uuid4())
    for webhook in (dead, dead, dead, hook):
        webhooks.send_test(webhook=webhook)
    try_all()
    assert len(receiver.got) == 1
    tried = Delivery.objects.filter(webhook=dead, attempt__gt=0)
    assert tried.count() == 1 and tried.get().answer.startswith("no answer")
    assert Delivery.objects.filter(webhook=dead, due__gt=timezone.now()).count() == 3


@pytest.mark.services
def test_a_message_to_a_deleted_webhook_goes_with_it(hook):
    webhooks.send_test(webhook=hook)
    hook.delete()
    assert not Delivery.objects.exists()


@pytest.mark.services
def test_old_messages_are_removed(hook):
    for state, days in (("done", 31), ("failed", 31), ("done", 1), ("queued", 31)):
        made = timezone.now() - timedelta(days=days)
        Delivery.objects.create(webhook=hook, event="test", state=state, created=made)
    upkeep.tidy()
    assert sorted(Delivery.objects.values_list("state", flat=True)) == ["done", "queued"]
