"""A local model server with TF Serving's REST and gRPC interfaces, for development and tests."""
