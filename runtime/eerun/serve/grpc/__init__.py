"""The Open Inference Protocol v2 over gRPC; no generated files, so that any protobuf from 5.28 on will do."""

from eerun.serve.grpc.server import GrpcServer, start_grpc

__all__ = ["GrpcServer", "start_grpc"]
