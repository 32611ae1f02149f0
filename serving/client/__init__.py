"""A client for model servers, using REST or gRPC."""

from serving.client.client import ServingClient
from serving.client.protocol import ModelAddress, ServingError

__all__ = ["ModelAddress", "ServingClient", "ServingError"]
