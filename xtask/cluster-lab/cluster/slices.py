#!/usr/bin/env python3
"""EndpointSlices as Kubernetes has them since 1.21, for a server that only has their beta version.

    slices.py ADDRESS PORT SERVER FOLDER

An extension API server for `discovery.k8s.io/v1`, which passes on to `v1beta1`: the two differ in how they name the
node of an endpoint. FOLDER has the certificates; who may ask what was decided before by the server in front.
"""

import http.client
import http.server
import json
import ssl
import sys

ADDRESS, PORT, SERVER, FOLDER = sys.argv[1:]
TRUST = ssl.create_default_context(cafile=f"{FOLDER}/ca.crt")
TRUST.load_cert_chain(f"{FOLDER}/admin.crt", f"{FOLDER}/admin.key")


def translated(item):
    item["apiVersion"], item["kind"] = "discovery.k8s.io/v1", "EndpointSlice"
    for endpoint in item.get("endpoints") or []:
        topology = endpoint.pop("topology", {})
        if "kubernetes.io/hostname" in topology:
            endpoint["nodeName"] = topology["kubernetes.io/hostname"]
    return item


def line(text):
    said = json.loads(text)
    if said.get("object", {}).get("kind") == "EndpointSlice":
        translated(said["object"])
    return json.dumps(said).encode() + b"\n"


def whole(text):
    said = json.loads(text)
    for item in said.get("items") or []:
        translated(item)
    return json.dumps(said).replace("discovery.k8s.io/v1beta1", "discovery.k8s.io/v1").encode()


class Passed(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        ask = http.client.HTTPSConnection(SERVER, 6443, context=TRUST)
        path = self.path.replace("/apis/discovery.k8s.io/v1", "/apis/discovery.k8s.io/v1beta1", 1)
        ask.request("GET", path, headers={"Accept": "application/json"})
        answer = ask.getresponse()
        watches = "watch=" in self.path and answer.status == 200
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        if watches:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for text in iter(answer.readline, b""):
                data = line(text)
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        else:
            data = whole(answer.read())
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        ask.close()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer((ADDRESS, int(PORT)), Passed)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(f"{FOLDER}/apiserver.crt", f"{FOLDER}/apiserver.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
