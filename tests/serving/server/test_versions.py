"""Tests of which version a request is for."""


def test_labels_keep_older_versions(
    serve, push, folder, saved_model, other_model, class_of_red, states
):
    push(saved_model, folder, 1)
    push(saved_model, folder, 2)
    push(other_model, folder, 3)
    running = serve(1, 3, labels={"stable": 1, "canary": 3})
    assert states(running) == {3: "AVAILABLE", 1: "AVAILABLE"}
    assert class_of_red(running, "/labels/stable") == 0
    assert class_of_red(running, "/labels/canary") == 1
    assert class_of_red(running) == 1
