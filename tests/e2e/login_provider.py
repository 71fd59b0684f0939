"""A small OpenID Connect provider (OpenID Connect Core 1.0, the code flow) for
test_login_sso.py: its visitor is whoever the test says."""

import base64
import hashlib
import http.server
import json
import os
import re
import secrets
import ssl
import subprocess
import threading
import time
import urllib.parse

CLIENT, SECRET = "desktop", "client-secret-canary-0123456789"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    """An RSA key of the provider's, by openssl."""

    def __init__(self, directory, name):
        self.name = name
        self.path = os.path.join(directory, name + ".key")
        subprocess.run(("openssl", "genrsa", "-out", self.path, "2048"), check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        done = subprocess.run(("openssl", "rsa", "-in", self.path, "-noout", "-modulus"),
                              check=True, capture_output=True, text=True)
        self.modulus = bytes.fromhex(re.search("Modulus=(.*)", done.stdout).group(1))

    def jwk(self):
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.name, "e": "AQAB",
                "n": b64(self.modulus)}

    def sign(self, claims, kid):
        head = {"alg": "RS256", "typ": "JWT", "kid": kid}
        text = b64(json.dumps(head).encode()) + "." + b64(json.dumps(claims).encode())
        done = subprocess.run(("openssl", "dgst", "-sha256", "-sign", self.path),
                              input=text.encode(), check=True, capture_output=True)
        return text + "." + b64(done.stdout)


class Provider:
    """At self.url until close().  user: the claims of whom the next visitor
    is; signer: the key that signs, though always `key` is said to; audience:
    for whom the token is said to be; asked: the requests' paths."""

    def __init__(self, directory, authority):
        self.key = Key(directory, "provider")
        self.signer = self.key
        self.audience = CLIENT
        self.user = {}
        self.codes = {}
        self.asked = []
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                provider.answer(self, "")

            def do_POST(self):
                length = int(self.headers.get("Content-Length", 0))
                provider.answer(self, self.rfile.read(length).decode())

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.path("good.pem"), authority.path("good.key"))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = "https://127.0.0.1:%d" % self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, request, body):
        path, _, query = request.path.partition("?")
        self.asked.append(path)
        verb = {"/.well-known/openid-configuration": self.metadata, "/keys": self.keys,
                "/authorize": self.authorize, "/token": self.token,
                "/userinfo": self.userinfo}.get(path)
        if not verb:
            request.send_error(404)
            return
        status, value = verb(dict(urllib.parse.parse_qsl(query or body)), request.headers)
        text = b"" if status == 302 else json.dumps(value).encode()
        request.send_response(status)
        if status == 302:
            request.send_header("Location", value)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)

    def metadata(self, *_):
        return 200, {
            "issuer": self.url, "authorization_endpoint": self.url + "/authorize",
            "token_endpoint": self.url + "/token", "jwks_uri": self.url + "/keys",
            "userinfo_endpoint": self.url + "/userinfo",
            "response_types_supported": ["code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"]}

    def keys(self, *_):
        return 200, {"keys": [self.key.jwk()]}

    def authorize(self, fields, _):
        """The visitor has logged in, and gives the site leave."""
        if (fields["client_id"], fields["response_type"]) != (CLIENT, "code") or \
                "openid" not in fields["scope"].split():
            return 400, {"error": "invalid_request"}
        code = secrets.token_urlsafe(16)
        self.codes[code] = fields
        back = urllib.parse.urlencode({"code": code, "state": fields["state"]})
        return 302, fields["redirect_uri"] + "?" + back

    def token(self, fields, headers):
        proof = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        order = self.codes.pop(fields.get("code"), None)
        if headers.get("Authorization") != "Basic " + proof or not order or \
                order["redirect_uri"] != fields.get("redirect_uri"):
            return 401, {"error": "invalid_client"}
        now = int(time.time())
        claims = {"iss": self.url, "aud": self.audience, "iat": now, "exp": now + 300,
                  "nonce": order["nonce"]} | self.user
        access = secrets.token_urlsafe(16)
        claims["at_hash"] = b64(hashlib.sha256(access.encode()).digest()[:16])
        return 200, {"access_token": access, "token_type": "Bearer", "expires_in": 300,
                     "id_token": self.signer.sign(claims, self.key.name)}

    def userinfo(self, *_):
        return 200, {"sub": self.user["sub"]}
