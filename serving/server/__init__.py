"""The local server: TF Serving's REST and gRPC interface, for development, demos and tests."""
