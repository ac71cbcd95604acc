#!/usr/bin/env python3
"""A token server for tests, as docker-registry with `auth: token` wants one.

usage: token_server.py PORT DIRECTORY USER:PASSWORD [REFRESH_TOKEN]

Makes a key and a certificate in DIRECTORY (key.pem, cert.pem: the registry's rootcertbundle) unless they are there, and
prints "ready". USER may do everything; anybody may pull what is below "public/". Prints a line for each token given:
"token <user or -> <scope>", and "refused" for a wrong password. Issuer and service are "samara-test". Tokens are good
for a minute.
Source: Distribution's token authentication specification, its OAuth2 variant, and its JWT page.
"""
import base64
import http.server
import json
import os
import re
import subprocess
import sys
import time
import urllib.parse

NAME = "samara-test"


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Signer:
    def __init__(self, directory):
        self.key, self.certificate = directory + "/key.pem", directory + "/cert.pem"
        if not os.path.exists(self.certificate):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.key, "-out",
                            self.certificate, "-days", "3650", "-subj", "/CN=" + NAME], check=True, capture_output=True)
        with open(self.certificate) as file:
            self.chain = ["".join(line for line in file.read().split("\n") if line and "-----" not in line)]

    def sign(self, claims):
        head = encode(json.dumps({"typ": "JWT", "alg": "RS256", "x5c": self.chain}).encode())
        text = head + "." + encode(json.dumps(claims).encode())
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=text.encode(), check=True,
                                   capture_output=True).stdout
        return text + "." + encode(signature)


def granted(scopes, user):
    access = []
    for scope in scopes:
        if match := re.fullmatch(r"repository:([^:]+):([a-z,*]+)", scope):
            actions = match[2].split(",") if user else ["pull"] if match[1].startswith("public/") else []
            if actions:
                access.append({"type": "repository", "name": match[1], "actions": actions})
    return access


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def give(self, user, scopes):
        now = int(time.time())
        token = signer.sign({"iss": NAME, "sub": user or "", "aud": NAME, "exp": now + 60, "nbf": now - 10, "iat": now,
                             "jti": os.urandom(8).hex(), "access": granted(scopes, user)})
        print("token", user or "-", *scopes, flush=True)
        self.answer(200, {"token": token, "access_token": token, "expires_in": 60})

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refuse(self):
        print("refused", flush=True)
        self.answer(401, {"errors": [{"code": "UNAUTHORIZED"}]})

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        scopes = [scope for value in query.get("scope", []) for scope in value.split()]
        authorization = self.headers.get("Authorization", "")
        if not authorization:
            return self.give(None, scopes)
        if authorization != "Basic " + base64.b64encode(password.encode()).decode():
            return self.refuse()
        self.give(password.split(":")[0], scopes)

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode())
        if form.get("grant_type") != ["refresh_token"] or form.get("refresh_token") != [refresh_token]:
            return self.refuse()
        self.give(password.split(":")[0], form.get("scope", [""])[0].split())

    def log_message(self, *_):
        pass


port, directory, password = int(sys.argv[1]), sys.argv[2], sys.argv[3]
refresh_token = sys.argv[4] if len(sys.argv) > 4 else None
signer = Signer(directory)
server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
print("ready", flush=True)
server.serve_forever()
