"""The other side of our webhooks: a real server on loopback, which checks signatures with the official library."""

import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook


class Receiver:
    """Keeps what it is sent, and answers `status`; "silence" hangs up, "drip" never comes to an end."""

    def __init__(self):
        self.requests, self.status, self.headers = [], 200, {}
        self.closing = threading.Event()

    def verified(self, secret: str) -> list[dict]:
        """Everything that came, as a receiver with this secret reads it. Raises where a signature is wrong."""
        return [Webhook(secret).verify(body, headers) for headers, body in self.requests]

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _body in self.requests]


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        receiver = self.server.receiver
        length = int(self.headers["Content-Length"])
        receiver.requests.append(({**self.headers}, self.rfile.read(length)))
        if receiver.status == "silence":
            return
        if receiver.status == "drip":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not receiver.closing.wait(0.02):
                self.wfile.write(b"z")
            return
        self.send_response(receiver.status)
        for name, value in receiver.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def handle(self):
        with suppress(OSError):  # they hung up, which some tests are about
            super().handle()

    def log_message(self, *args):
        pass


@contextmanager
def receiving(tls=None):
    """A Receiver, and the port that it listens on."""
    receiver = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.receiver, server.daemon_threads = receiver, True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver, server.server_port
    finally:
        receiver.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
