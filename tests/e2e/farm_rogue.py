"""What can stand in the list of a farm and is no server of it; and what can be
said in the name of one."""

import base64
import contextlib
import hashlib
import hmac
import json
import re
import secrets
import socket
import ssl
import threading
import time
import urllib.parse


class Rogue:
    """A TLS server at an address; `answer(connection)` says what it sends, once
    it has read a request.  `heard` are the bytes that came through TLS."""

    def __init__(self, address, certificate, answer):
        self.answer = answer
        self.heard = b""
        self.connections = 0
        self.sent = 0
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate + ".pem", certificate + ".key")
        self.context = context
        self.listener = socket.create_server((address, 443))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self.listener.accept()
                self.connections += 1
                with contextlib.suppress(OSError, ssl.SSLError):
                    plain.settimeout(10)
                    with self.context.wrap_socket(plain, server_side=True) as s:
                        self.converse(s)

    def converse(self, s):
        request = b""
        while b"\r\n\r\n" not in request:
            piece = s.recv(65536)
            if not piece:
                return
            request += piece
            self.heard += piece
        for piece in self.answer():
            s.sendall(piece)
            self.sent += len(piece)

    def verbs(self):
        """What it was asked for, by the assertions that it has heard."""
        payloads = re.findall(rb"farm=([A-Za-z0-9_-]+)\.", self.heard)
        return [json.loads(base64.urlsafe_b64decode(p + b"==="))["verb"] for p in payloads]

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


def rubbish():
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\xff\x00rubbish"


def other_json():
    body = b'{"session": {"name": "<script>", "user": "../../ann"}}'
    yield b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def web_page():
    yield b"HTTP/1.1 404 Not Found\r\nContent-Length: 13\r\n\r\n<p>Not here.\n"


def perl_page():
    """What the Perl program shows: a page with a link to the display."""
    body = (b"<html><body>Hello <b>ann</b> <a href='https://evil.example/vnc.html'>x</a>"
            b"<script>alert(1)</script>"
            b"<a href='https://rogue.example:6080/vnc.html?host=rogue.example&amp;port=6080'>"
            b"Connect</a></body></html>")
    yield b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s" % (
        len(body), body)


def redirect():
    yield (b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /qemu-web-desktop/farm\r\n"
           b"Content-Length: 0\r\n\r\n")


def silence():
    """Says nothing until the other side has had enough."""
    time.sleep(60)
    yield b""


def controls():
    """What grows sixfold where it is told on as JSON."""
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n" + b"\x01" * 65536


def gigabyte():
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n"
    for _ in range(16384):
        yield b" " * 65536


class Assertion:
    """One as src/farm/assertion.h has it, of any content."""

    def __init__(self, secret, to, **members):
        self.secret = secret
        self.members = {
            "v": 1, "verb": "status", "from": "https://desk-one.example", "to": to,
            "path": ["a" * 32], "user": "ann", "mail": "", "method": "custom",
            "groups": [], "remote": "10.77.0.254", "session": "",
            "digest": hashlib.sha256(b"").hexdigest(),
            "nonce": secrets.token_hex(16), "expires": int(time.time()) + 30,
        } | members

    def about(self, **fields):
        """About a request with these fields."""
        text = "&".join(f"{k}={urllib.parse.quote(str(v), safe='-._~')}"
                        for k, v in fields.items())
        self.members["digest"] = hashlib.sha256(text.encode()).hexdigest()
        return self

    @property
    def text(self):
        payload = base64.urlsafe_b64encode(json.dumps(self.members).encode())
        return self.sign(payload.rstrip(b"="))

    def sign(self, payload):
        key = hashlib.sha256(self.secret).digest()
        mac = hmac.new(key, b"farm:" + payload, hashlib.sha256).hexdigest()
        return f"{payload.decode()}.{mac}"
