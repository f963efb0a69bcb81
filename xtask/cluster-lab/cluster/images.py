#!/usr/bin/env python3
"""The images of the cluster, as archives: there is no registry.

    images.py FOLDER PODMIRROR

FOLDER/pause.tar, FOLDER/web.tar (nginx and BusyBox, of this machine) and FOLDER/podmirror.tar, of the binary
PODMIRROR with the libraries that it is linked with.
"""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile

# What is taken from this machine, and what Debian calls the package that has it.
PACKAGES = {"busybox": "/bin/busybox", "nginx-light": "/usr/sbin/nginx"}

NGINX = """worker_processes 1;
user root;
error_log /dev/stderr warn;
pid /run/nginx.pid;
events { worker_connections 1024; }
http { access_log /dev/stdout; keepalive_requests 100000; include /etc/nginx/conf.d/*.conf; }
"""
APPLETS = "sh cat echo ls sleep wget nc httpd seq date kill ps grep sed true false test timeout env head tail mkdir touch".split()


def libraries(program):
    out = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    return re.findall(r"(/\S+) \(0x", out)


def archive(to, reference, files, links, entrypoint, env):
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        folders = set()

        def add(info, data=None):
            parts = info.name.split("/")[:-1]
            for depth in range(1, len(parts) + 1):
                folder = "/".join(parts[:depth])
                if folder not in folders:
                    folders.add(folder)
                    at = tarfile.TarInfo(folder)
                    at.type, at.mode = tarfile.DIRTYPE, 0o755
                    tar.addfile(at)
            tar.addfile(info, data)

        for name, data in files.items():
            info = tarfile.TarInfo(name.lstrip("/"))
            info.size, info.mode = len(data), 0o755
            add(info, io.BytesIO(data))
        for name, target in links.items():
            info = tarfile.TarInfo(name.lstrip("/"))
            info.type, info.linkname = tarfile.SYMTYPE, target
            add(info)
    layer = layer.getvalue()
    config = json.dumps({
        "architecture": "amd64", "os": "linux",
        "config": {"Entrypoint": entrypoint, "Env": env},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
    }).encode()
    name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = json.dumps([{"Config": name, "RepoTags": [reference], "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(to + ".new", "w") as tar:
        for path, data in (("layer.tar", layer), (name, config), ("manifest.json", manifest)):
            info = tarfile.TarInfo(path)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    os.rename(to + ".new", to)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def main():
    folder, podmirror = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    missing = [package for package, path in PACKAGES.items() if not os.path.exists(path)]
    if missing:
        subprocess.run(["apt-get", "-o", "DPkg::Lock::Timeout=300", "install", "--yes", "--no-install-recommends", *missing],
                       check=True)
    # Of Debian's package `busybox`: the static one finds no names by DNS. Its wget crashes if it is given a time-out.
    busybox = {path: read(path) for path in ["/bin/busybox", *libraries("/bin/busybox")]}
    archive(f"{folder}/pause.tar", "lab.podmirror.test/pause:1", busybox, {},
            ["/bin/busybox", "sleep", "2147483647"], [])
    files = busybox | {"/usr/sbin/nginx": read("/usr/sbin/nginx"), "/etc/nginx/nginx.conf": NGINX.encode(),
             "/etc/passwd": b"root:x:0:0::/:/bin/sh\n", "/etc/group": b"root:x:0:\n", "/etc/nginx/conf.d/README": b"",
             "/var/lib/nginx/body/README": b"", "/var/log/nginx/README": b"", "/run/README": b"", "/tmp/README": b""}
    files |= {path: read(path) for path in libraries("/usr/sbin/nginx")}
    archive(f"{folder}/web.tar", "lab.podmirror.test/web:1", files, {f"/bin/{it}": "busybox" for it in APPLETS},
            ["/bin/sh"], ["PATH=/bin:/usr/sbin"])
    files = {"/podmirror": read(podmirror), "/tmp/README": b""} | {path: read(path) for path in libraries(podmirror)}
    archive(f"{folder}/podmirror.tar", "lab.podmirror.test/podmirror:1", files, {}, ["/podmirror"], ["PATH=/"])


main()
