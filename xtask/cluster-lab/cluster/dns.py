#!/usr/bin/env python3
"""The cluster's DNS: names of services, as the API server has them now.

    dns.py ADDRESS KUBECONFIG
"""

import json
import socketserver
import struct
import subprocess
import sys
import time

known = (0.0, {})


def services():
    """Addresses by name; asked for anew after a second."""
    global known
    if time.monotonic() - known[0] > 1:
        names = asked()
        # While the API server is away names lead where they led.
        known = (time.monotonic(), known[1] if names is None else names)
    return known[1]


def asked():
    """The same, from the API server; None if it does not answer."""
    command = ["kubectl", "--kubeconfig", sys.argv[2], "get", "services,endpoints", "-A", "-o", "json"]
    try:
        got = subprocess.run(command, capture_output=True, timeout=3)
    except subprocess.TimeoutExpired:
        return None
    if got.returncode != 0:
        return None
    names = {}
    for item in json.loads(got.stdout)["items"]:
        name = f"{item['metadata']['name']}.{item['metadata']['namespace']}.svc.cluster.local"
        if item["kind"] == "Service":
            address = item["spec"].get("clusterIP", "None")
            names.setdefault(name, []).extend([address] if address != "None" else [])
        else:
            ready = [it["ip"] for subset in item.get("subsets", []) for it in subset.get("addresses", [])]
            names[name] = names.get(name) or ready
    return names


class Question(socketserver.BaseRequestHandler):
    def handle(self):
        packet, socket = self.request
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode("ascii", "replace"))
            at += 1 + packet[at]
        question, (kind,) = packet[12:at + 5], struct.unpack("!H", packet[at + 1:at + 3])
        name = ".".join(labels).lower()
        found = services().get(name)
        addresses = found if found and kind == 1 else []
        answers = b"".join(
            b"\xc0\x0c" + struct.pack("!HHIH4B", 1, 1, 5, 4, *map(int, address.split("."))) for address in addresses)
        code = 0x8580 if found is not None else 0x8583
        head = packet[:2] + struct.pack("!HHHHH", code, 1, len(addresses), 0, 0)
        socket.sendto(head + question + answers, self.client_address)


socketserver.ThreadingUDPServer((sys.argv[1], 53), Question).serve_forever()
