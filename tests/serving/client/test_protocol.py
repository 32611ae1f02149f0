import json

import pytest

from serving.client.protocol import ServingError


def test_an_error_is_one_line_of_bearable_length(client, rest_server):
    rest_server.answers = [(400, json.dumps({"error": "graph\n" * 10_000}))]
    with client(rest_server.url) as served, pytest.raises(ServingError) as caught:
        served.predict([b"one"])
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
