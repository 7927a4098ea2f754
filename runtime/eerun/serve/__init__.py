"""Answer over the network: the Open Inference Protocol v2 over HTTP and gRPC, metrics and a status page."""
