#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A client that shows a certificate of its own making, as somebody would who holds a mesh's CA key.

peer.py ADDRESS PORT SNI HOST FILE: one request over TLS with the certificate and key in FILE. Prints one word and why: the HTTP status;
"refused" when the connection was ended by the other side; "unreachable" when there was none.
"""
import os
import socket
import ssl
import subprocess
import sys


def mint(folder, name, ca, chain, uri=None, dns=None):
    """The path of a file with a fresh leaf, its chain and its key, signed by the CA in the file `ca` (certificate and key)."""
    path = os.path.join(folder, name)
    san = f"URI:{uri}" if uri else f"DNS:{dns}"
    make = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path + ".key", "-subj", "/"]
    request = subprocess.run(make, capture_output=True, text=True, check=True).stdout
    with open(path + ".ext", "w", encoding="utf-8") as f:
        f.write(f"keyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=clientAuth,serverAuth\nbasicConstraints=critical,CA:FALSE\nsubjectAltName=critical,{san}\n")
    sign = ["openssl", "x509", "-req", "-CA", ca, "-CAkey", ca, "-set_serial", str(int.from_bytes(os.urandom(8), "big") >> 1), "-days", "1", "-sha256", "-extfile", path + ".ext"]
    leaf = subprocess.run(sign, input=request, capture_output=True, text=True, check=True).stdout
    with open(path + ".key", encoding="utf-8") as key, open(path, "w", encoding="utf-8") as f:
        f.write(leaf + chain + key.read())
    return path


def authority(folder):
    """The path of a file with a fresh CA that nobody trusts, and its certificate."""
    path = os.path.join(folder, "other-ca")
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path + ".key", "-subj", "/CN=other", "-days", "1"]
    cert = subprocess.run(make, capture_output=True, text=True, check=True).stdout
    with open(path + ".key", encoding="utf-8") as key, open(path, "w", encoding="utf-8") as f:
        f.write(cert + key.read())
    return path, cert


def request(address, port, sni, host, file):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(file)
    context.set_alpn_protocols(["istio", "http/1.1"])  # by the first one proxies know each other
    try:
        plain = socket.create_connection((address, int(port)), 3)
    except OSError as e:
        return f"unreachable {e}"
    try:
        with context.wrap_socket(plain, server_hostname=sni) as s:
            s.settimeout(3)
            s.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while block := s.recv(4096):
                answer += block
    except OSError as e:
        return f"refused {e}"
    text = answer.decode(errors="replace")
    if not text.startswith("HTTP/1.1 "):
        return "refused connection ended"
    return f"{text[9:12]} {' '.join(line for line in text.splitlines() if line.startswith('xfcc='))}"


if __name__ == "__main__":
    print(request(*sys.argv[1:]))
