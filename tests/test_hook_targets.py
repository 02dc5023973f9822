"""Where webhooks may go: nobody who sets one up makes this server knock at doors that only it can reach."""

import socket
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook

from clinic import hook_channels
from clinic.channels import NotSent
from clinic.hook_channels import addresses_of, is_public, post, sign
from clinic.hook_models import new_secret
from tests.receiver import receiving

SECRET = new_secret()


def now() -> int:
    return int(datetime.now(UTC).timestamp())


def send(url):
    return post(url, "msg_1", '{"type": "token.called"}', [SECRET], now())


@pytest.fixture
def names(monkeypatch):
    """The world's DNS: names stand for what a test says, one answer after the other, and the last for ever."""
    real, book, asked = hook_channels.getaddrinfo, {}, []

    def answer(host, port, *args, **kwargs):
        asked.append(host)
        if host not in book:
            return real(host, port, *args, **kwargs)
        found = book[host].pop(0) if len(book[host]) > 1 else book[host][0]
        return [line for address in found for line in real(address, port, *args, **kwargs)]

    monkeypatch.setattr(hook_channels, "getaddrinfo", answer)
    monkeypatch.setattr(socket, "getaddrinfo", answer)
    book["asked"] = asked
    return book


# --- Addresses that only this machine or network can reach --------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "0.0.0.0",
        "10.0.0.8", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "168.63.129.16",
        "100.100.100.200", "192.0.0.192", "224.0.0.1", "255.255.255.255", "240.0.0.1",
        "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:169.254.169.254]", "[::127.0.0.1]",
        "[fe80::1]", "[fd00:ec2::254]", "[ff02::1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]",
    ],
)  # fmt: skip
def test_a_private_address_is_refused_however_it_is_written(host):
    with pytest.raises(NotSent, match="private address"):
        addresses_of(f"https://{host}/")


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_an_address_of_the_internet_is_not(address):
    assert is_public(address)


def test_nothing_knocks_at_a_private_door():
    with receiving() as (receiver, port):
        with pytest.raises(NotSent, match="private address"):
            send(f"https://127.0.0.1:{port}/")
        assert receiver.requests == []


def test_one_private_address_among_others_is_enough(names):
    names["hooks.example"] = [["8.8.8.8", "10.0.0.8"]]
    with pytest.raises(NotSent, match="private address"):
        addresses_of("https://hooks.example/")


def test_a_name_that_changes_its_mind_is_asked_once(names, settings):
    """DNS rebinding: public when it is checked, this machine when it is called."""
    names["rebinding.example"] = [["127.0.0.1"], ["10.0.0.8"]]
    settings.HOOKS_TO_PRIVATE_ADDRESSES = True
    with receiving() as (receiver, port):
        assert send(f"http://rebinding.example:{port}/") == 200
        [(headers, _body)] = receiver.requests
    assert headers["Host"] == f"rebinding.example:{port}"
    assert names["asked"].count("rebinding.example") == 1


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://hooks.example/", "not https"),
        ("ftp://hooks.example/", "no web address"),
        ("file:///etc/passwd", "no web address"),
        ("https:///path", "no web address"),
        ("https://user@hooks.example/", "no web address"),
        ("https://hooks.example:99999/", "no web address"),
        ("https://[::1/", "no web address"),
        ("https://hooks.invalid/", "unknown name"),
        (f"https://{'a' * 70}.example/", "unknown name"),
    ],
)
def test_what_is_no_address_is_refused(names, url, why):
    names["hooks.example"] = [["8.8.8.8"]]
    with pytest.raises(NotSent, match=why):
        addresses_of(url)


# --- The call -----------------------------------------------------------------------------


def test_a_redirect_is_not_followed(settings):
    settings.HOOKS_TO_PRIVATE_ADDRESSES = True
    with receiving() as (secret, inside), receiving() as (receiver, port):
        receiver.status, receiver.headers = 307, {"Location": f"http://127.0.0.1:{inside}/"}
        assert send(f"http://127.0.0.1:{port}/") == 307
        assert secret.requests == [] and len(receiver.requests) == 1


def test_a_second_address_is_tried_where_the_first_is_silent(names, settings):
    settings.HOOKS_TO_PRIVATE_ADDRESSES = True
    names["two.example"] = [["::1", "127.0.0.1"]]
    with receiving() as (receiver, port):
        assert send(f"http://two.example:{port}/") == 200
        assert len(receiver.requests) == 1


def test_a_door_that_is_shut_is_an_error_that_a_retry_may_help(settings):
    settings.HOOKS_TO_PRIVATE_ADDRESSES = True
    with receiving() as (_receiver, port):
        pass
    with pytest.raises(NotSent) as error:
        send(f"http://127.0.0.1:{port}/")
    assert error.value.retryable and "127" not in str(error.value)


# --- TLS ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Of hooks.example, signed by itself; a file with it and its key."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")]),
    )
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName(
        [x509.DNSName("hooks.example"), x509.IPAddress(ip_address("127.0.0.9"))]
    )
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    file = tmp_path_factory.mktemp("tls") / "hooks.pem"
    plain = serialization.NoEncryption(), serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    file.write_bytes(key.private_bytes(plain[2], plain[1], plain[0]) + made.public_bytes(plain[2]))
    return file


@pytest.fixture
def tls_receiver(certificate, settings, names):
    settings.HOOKS_TO_PRIVATE_ADDRESSES = True
    names["hooks.example"] = names["other.example"] = [["127.0.0.1"]]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with receiving(context) as found:
        yield found


def trust(certificate, monkeypatch):
    context = ssl.create_default_context(cafile=certificate)
    monkeypatch.setattr(hook_channels, "tls", lambda: context)


def test_a_certificate_that_nobody_vouches_for_is_refused(tls_receiver):
    receiver, port = tls_receiver
    with pytest.raises(NotSent, match="SSLCertVerificationError"):
        send(f"https://hooks.example:{port}/")
    assert receiver.requests == []


def test_the_certificate_must_be_of_the_name_and_not_of_the_address(tls_receiver, certificate, monkeypatch):
    receiver, port = tls_receiver
    trust(certificate, monkeypatch)
    with pytest.raises(NotSent, match="SSLCertVerificationError"):
        send(f"https://other.example:{port}/")
    assert receiver.requests == []
    assert send(f"https://hooks.example:{port}/") == 200
    assert receiver.verified(SECRET) == [{"type": "token.called"}]


# --- The signature ------------------------------------------------------------------------


def test_it_signs_as_the_official_library_does():
    at = now()
    when = datetime.fromtimestamp(at, UTC)
    assert sign([SECRET], "msg_1", at, "{}") == Webhook(SECRET).sign("msg_1", when, "{}")
    assert sign([SECRET, new_secret()], "msg_1", at, "ü").count("v1,") == 2
