"""Web servers that scripts are fetched from, good and bad, as threads."""

import contextlib
import http.server
import ssl
import threading
import unittest

import net_servers as net


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server.owner
        server.asked.append(self.path)
        # As a proxy it is asked for a whole URL.
        path = self.path.removeprefix("http://scripts.example")
        verb, _, rest = path.partition("?")[0].lstrip("/").partition("/")
        getattr(self, "do_" + verb.replace("-", "_"), self.do_missing)(rest)

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def do_script(self, rest):
        """/script/NAME: a text of the server's."""
        text = self.server.owner.scripts.get(rest)
        if text is None:
            self.do_missing(rest)
        else:
            self.answer(200, text)

    def do_big(self, rest):
        """/big/N: so many bytes."""
        self.answer(200, b"#" * int(rest))

    def do_endless(self, _):
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            while not self.server.owner.stopping.is_set():
                self.wfile.write(b"#" * 4096)
        self.close_connection = True

    def do_hang(self, _):
        self.server.owner.stopping.wait(120)
        self.close_connection = True

    def do_loop(self, rest):
        self.answer(302, Location=f"/loop/{rest}x")

    def do_twice(self, rest):
        """/twice/N: as many redirects to itself, then a script."""
        if rest == "0":
            self.answer(200, b"echo there\n")
        else:
            self.answer(302, Location=f"/twice/{int(rest) - 1}")

    def do_to(self, _):
        """/to/?URL"""
        self.answer(302, Location=self.path.partition("?")[2])

    def do_missing(self, _):
        self.answer(404, b"echo not this\n")

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a client that does not like our certificate


class WebServer:
    """On 127.0.0.1 or another address: `asked` are the paths of the requests,
    `scripts` what /script/NAME gives."""

    def __init__(self, authority=None, certificate=net.GOOD, address="127.0.0.1"):
        self.asked = []
        self.scripts = {}
        self.stopping = threading.Event()
        self.server = Server((address, 0), Handler)
        self.server.owner = self
        scheme = "http"
        if authority:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(
                authority.path(certificate + ".pem"), authority.path(certificate + ".key")
            )
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
            scheme = "https"
        self.port = self.server.server_address[1]
        self.url = f"{scheme}://{address}:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()
        unittest.addModuleCleanup(self.stop)

    def stop(self):
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
