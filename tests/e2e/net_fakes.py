"""Servers of the tests' own, for test_net*.py: a Proxy that records what the
client says in front of a real server, and servers that say nothing, hang up,
or say what no real one would.
"""

import os
import re
import socket
import ssl
import tempfile
import threading
import warnings


class Listener:
    """A server of the test's own on 127.0.0.1; serve(connection) for each."""

    def __init__(self):
        self.socket = self.listen()
        self.port = self.socket.getsockname()[1]
        self.count = 0
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def listen(self):
        return socket.create_server(("127.0.0.1", 0), backlog=64)

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.count += 1
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _serve(self, connection):
        with connection:
            connection.settimeout(20)
            try:
                self.serve(connection)
            except (OSError, ssl.SSLError):
                pass

    def serve(self, connection):
        raise NotImplementedError

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for thread in self.threads:
            thread.join(25)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Silent(Listener):
    """It accepts and says nothing until the client goes."""

    def serve(self, connection):
        while connection.recv(4096):
            pass


class SilentSocket(Silent):
    """The same at a unix socket, self.path, which everybody may enter."""

    def __init__(self, directory):
        self.path = os.path.join(tempfile.mkdtemp(dir=directory), "mux")
        super().__init__()

    def listen(self):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        listener.listen()
        os.chmod(os.path.dirname(self.path), 0o755)
        os.chmod(self.path, 0o666)
        return listener


class Closing(Listener):
    """It accepts and goes."""

    def serve(self, connection):
        pass


class Proxy(Listener):
    """All bytes of the client's are in self.said; with `strip` the offer of
    STARTTLS disappears, and asking for it all the same is refused."""

    def __init__(self, address, port, strip=None):
        self.to = (address, port)
        self.strip = strip
        self.said = b""
        super().__init__()

    def serve(self, connection):
        server = socket.create_connection(self.to, 20)
        back = threading.Thread(target=self._pump, args=(server, connection, self._from_server))
        back.start()
        self._pump(connection, server, self._from_client)
        back.join()
        server.close()

    @staticmethod
    def _pump(source, to, change):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                data = change(data, source)
                to.sendall(data)
        except OSError:
            pass
        for end in (source, to):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _from_client(self, data, client):
        self.said += data
        if self.strip == "ldap" and b"1.3.6.1.4.1.1466.20037" in data:
            # ExtendedResponse, messageID as asked, resultCode protocolError
            client.sendall(bytes((0x30, 12, 2, 1, data[4], 0x78, 7, 10, 1, 2, 4, 0, 4, 0)))
            return b""
        if self.strip == "imap" and b" STARTTLS" in data:
            client.sendall(data.split()[0] + b" BAD unknown command\r\n")
            return b""
        return data

    def _from_server(self, data, _):
        if self.strip in ("imap", "smtp"):
            data = re.sub(rb"250-STARTTLS\r\n", b"", data)
            data = re.sub(rb"250 STARTTLS\r\n", b"250 HELP\r\n", data)
            data = data.replace(b" STARTTLS", b"").replace(b" LOGINDISABLED", b" AUTH=PLAIN")
        return data


class Scripted(Listener):
    """TLS with the good certificate, then fixed answers: a greeting, and for
    each line of the client's the first of `answers` that it matches.  {tag} is
    the line's first word.  An answer of None closes the connection."""

    def __init__(self, authority, greeting, answers, oldest_tls=False):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(authority.path("good.pem"), authority.path("good.key"))
        if oldest_tls:
            warnings.simplefilter("ignore", DeprecationWarning)  # that is the point
            self.context.minimum_version = ssl.TLSVersion.TLSv1
            self.context.maximum_version = ssl.TLSVersion.TLSv1_1
            self.context.set_ciphers("ALL:@SECLEVEL=0")
        self.greeting, self.answers, self.lines = greeting, answers, []
        super().__init__()

    def serve(self, connection):
        with self.context.wrap_socket(connection, server_side=True) as tls:
            tls.sendall(self.greeting.encode() + b"\r\n")
            for line in tls.makefile("rb"):
                line = line.decode("utf-8", "replace").strip()
                self.lines.append(line)
                answer = next((a for pattern, a in self.answers if re.search(pattern, line)),
                              None)
                if answer is None:
                    return
                tls.sendall(answer.format(tag=line.split(" ")[0]).replace("\n", "\r\n").encode()
                            + b"\r\n")
