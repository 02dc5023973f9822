"""How a webhook leaves the house: signed, and only to addresses of the public internet. No database here.

The form is https://www.standardwebhooks.com.
"""

import base64
import hmac
import ssl
from contextlib import suppress
from functools import cache
from http.client import HTTPConnection, HTTPException
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from socket import SHUT_RDWR, SOCK_STREAM, create_connection, getaddrinfo
from threading import Timer
from urllib.parse import urlsplit

from django.conf import settings

from clinic.channels import NotSent

CONNECT_SECONDS, READ_SECONDS = 3, 10
ALL_SECONDS = 15
"""After which nothing is waited for any more, however slowly somebody answers, byte by byte."""
AGENT = "clinic-booking-webhooks/1"
NAT64, UNICAST = IPv6Network("64:ff9b::/96"), IPv6Network("2000::/3")
CLOUDS_OWN = [IPv4Network("168.63.129.16"), IPv4Network("192.0.0.0/24")]
"""Public by their numbers, and yet they answer inside a cloud alone (Azure's, Oracle's)."""


def sign(secrets: list[str], message: str, timestamp: int, body: str) -> str:
    """The header webhook-signature: one signature for each secret, as "whsec_…", with a blank between."""
    signed = f"{message}.{timestamp}.{body}".encode()
    keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in secrets]
    return " ".join("v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys)


def post(url: str, message: str, body: str, secrets: list[str], timestamp: int) -> int:
    """Delivers one message; returns the HTTP status, of a redirect too, which is not followed.

    Raises NotSent where no answer came: `addresses_of` finds fault with the URL, or the other side is
    silent. The answer's body is not read.
    """
    headers = {
        "Content-Type": "application/json",
        "User-Agent": AGENT,
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secrets, message, timestamp, body),
    }
    to = urlsplit(url)
    connection = Pinned(to, addresses_of(url))
    enough = Timer(ALL_SECONDS, connection.hang_up)
    enough.start()
    try:
        connection.request("POST", (to.path or "/") + (f"?{to.query}" if to.query else ""), body, headers)
        status = connection.getresponse().status
    except (OSError, HTTPException, ValueError) as error:  # ValueError: we hung up in the middle of TLS
        raise NotSent(type(error).__name__, retryable=True) from error
    finally:
        enough.cancel()
        connection.close()
    if connection.hung_up:  # whose last bytes may have looked like the end of an answer
        raise NotSent("too slow", retryable=True)
    return status


class Pinned(HTTPConnection):
    """To addresses that were checked: the name is not asked a second time, which could be answered
    otherwise (DNS rebinding). TLS still wants a certificate of the name."""

    def __init__(self, to, addresses: list[str]):
        self.tls, self.addresses, self.hung_up = to.scheme == "https", addresses, False
        self.default_port = 443 if self.tls else 80
        super().__init__(to.hostname, to.port or self.default_port)

    def connect(self):
        self.sock = self._first_that_answers()
        if self.tls:
            self.sock = tls().wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
            self.sock.do_handshake()
        self.sock.settimeout(READ_SECONDS)
        if self.hung_up:
            raise TimeoutError

    def _first_that_answers(self):
        *others, last = self.addresses[:3]
        for address in others:
            try:
                return create_connection((address, self.port), CONNECT_SECONDS / 2)
            except OSError:
                continue
        return create_connection((last, self.port), CONNECT_SECONDS)

    def hang_up(self) -> None:
        """From another thread: whoever waits for a byte there is told that none will come."""
        self.hung_up = True
        if self.sock:
            with suppress(OSError):  # it may be closing by itself
                self.sock.shutdown(SHUT_RDWR)


@cache
def tls() -> ssl.SSLContext:
    return ssl.create_default_context()


# --- Where to -----------------------------------------------------------------------------


def addresses_of(url: str) -> list[str]:
    """What its name stands for now. Raises NotSent for a URL that may not be one, for a name that
    nobody knows, and if but one of its addresses is not of the public internet."""
    try:
        to = urlsplit(url)
        port, known = to.port, to.scheme in ("https", "http")
    except ValueError:
        port, known = None, False
    if not known or not to.hostname or to.username is not None:
        raise NotSent("no web address", retryable=False)
    if to.scheme != "https" and not settings.HOOKS_TO_PRIVATE_ADDRESSES:
        raise NotSent("not https", retryable=False)
    try:
        found = getaddrinfo(to.hostname, port or 443, type=SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotSent("unknown name", retryable=True) from error
    addresses = list(dict.fromkeys(str(where[0]) for *_kind, where in found))
    if not settings.HOOKS_TO_PRIVATE_ADDRESSES and not all(map(is_public, addresses)):
        raise NotSent("private address", retryable=True)
    return addresses


def is_public(address: str) -> bool:
    """Whether an IP address is one that anybody on the internet means by it: not of this machine or
    network, not a cloud's own, nor an IPv4 address of that kind in an IPv6 dress."""
    ip = ip_address(address.partition("%")[0])
    if ip in NAT64:
        return is_public(str(ip_address(int(ip) & 0xFFFFFFFF)))
    if isinstance(ip, IPv6Address):
        return ip.is_global and ip in UNICAST and not (ip.sixtofour or ip.teredo)
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in CLOUDS_OWN)
