#!/opt/venv/bin/python
"""Takes TF Serving's place in its image: the local server with TF Serving's flags."""

import argparse
import logging
from pathlib import Path

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from serving.server.serve import ServerSettings, serve


def main():
    """Serves the first model of the file that `--model_config_file` names."""
    parser = argparse.ArgumentParser()
    for flag in ("--port", "--rest_api_port"):
        parser.add_argument(flag, type=int)
    parser.add_argument("--model_config_file", type=Path)
    flags, _ = parser.parse_known_args()
    logging.basicConfig(level=logging.INFO)
    config = text_format.Parse(
        flags.model_config_file.read_text(), model_server_config_pb2.ModelServerConfig()
    )
    model = config.model_config_list.config[0]
    serve(
        ServerSettings(
            name=model.name,
            folder=model.base_path,
            host="0.0.0.0",  # the published ports lead to the address of the container
            rest_port=flags.rest_api_port,
            grpc_port=flags.port,
        )
    )


if __name__ == "__main__":
    main()
