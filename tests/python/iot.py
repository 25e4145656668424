"""Takes credentials of an IoT role alias with awscrt's X.509 provider, and prints their access key id.

The provider always calls port 443: a small proxy of its own takes its tunnel to where the server listens.
"""

import json
import socket
import sys
import threading

import awscrt.auth
import awscrt.http
import awscrt.io

port, host, authority, certificate, key = sys.argv[1:]


def pipe(source, target):
    while data := source.recv(65536):
        target.sendall(data)
    target.shutdown(socket.SHUT_WR)


def tunnel(client):
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        request += client.recv(65536)
    assert request.startswith(f"CONNECT {host}:443 ".encode()), request
    server = socket.create_connection(("127.0.0.1", int(port)))
    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    threading.Thread(target=pipe, args=(server, client), daemon=True).start()
    pipe(client, server)


def proxy(listener):
    while True:
        client, _ = listener.accept()
        threading.Thread(target=tunnel, args=(client,), daemon=True).start()


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=proxy, args=(listener,), daemon=True).start()

options = awscrt.io.TlsContextOptions.create_client_with_mtls_from_path(certificate, key)
options.override_default_trust_store_from_path(None, authority)
group = awscrt.io.EventLoopGroup(1)
provider = awscrt.auth.AwsCredentialsProvider.new_x509(
    endpoint=host,
    thing_name="sensor",
    role_alias="edge",
    tls_ctx=awscrt.io.ClientTlsContext(options),
    client_bootstrap=awscrt.io.ClientBootstrap(group, awscrt.io.DefaultHostResolver(group)),
    http_proxy_options=awscrt.http.HttpProxyOptions(
        "127.0.0.1",
        listener.getsockname()[1],
        connection_type=awscrt.http.HttpProxyConnectionType.Tunneling,
    ),
)
found = provider.get_credentials().result(30)
print(json.dumps({"AccessKeyId": found.access_key_id}))
