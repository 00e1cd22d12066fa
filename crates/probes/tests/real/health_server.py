# A gRPC server of another language, with the health service of its own library. Run with a folder of libraries,
# a certificate and a key; prints three ports: in clear text, encrypted, and without a health service.
import sys

sys.path.insert(0, sys.argv[1])

from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc


def serve(with_health, credentials=None):
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    if with_health:
        servicer = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
        servicer.set("shop.Payments", health_pb2.HealthCheckResponse.SERVING)
        servicer.set("shop.Refunds", health_pb2.HealthCheckResponse.NOT_SERVING)
    if credentials:
        port = server.add_secure_port("localhost:0", credentials)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


with open(sys.argv[2], "rb") as certificate, open(sys.argv[3], "rb") as key:
    credentials = grpc.ssl_server_credentials([(key.read(), certificate.read())])
servers = [serve(True), serve(True, credentials), serve(False)]
print(*(port for _, port in servers), flush=True)
servers[0][0].wait_for_termination()
