import pytest

from pipeline.planning.plan import plan_config

ARRANGEMENTS = {
    "classes": (
        ["images/{n}.png"],
        ["masks/{n}_cell.png", "masks/{n}_tree.png"],
        {"mask_pattern": "*_{class}"},
        ["background", "cell", "tree"],
    ),
    "folders of classes": (
        ["images/{n}.png"],
        ["masks/cell/{n}.png", "masks/tree/{n}.png"],
        {"mask_pattern": "{class}/*"},
        ["background", "cell", "tree"],
    ),
    "one folder": (
        ["{n}.png"],
        ["{n}-cell.png", "{n}-tree.png"],
        {"images": ".", "masks": ".", "mask_pattern": "*-{class}"},
        ["background", "cell", "tree"],
    ),
    "objects": (
        ["images/{n}.png"],
        ["masks/{n}_0.png", "masks/{n}_1.png"],
        {"mask_pattern": "*_{name}"},
        ["background", "object"],
    ),
    "folders of objects": (
        ["images/{n}.png"],
        ["masks/{n}/0.png", "masks/{n}/1.png"],
        {"mask_pattern": "*/{name}"},
        ["background", "object"],
    ),
    "a folder for each image": (
        ["i{n}/images/i{n}.png"],
        ["i{n}/masks/0.png", "i{n}/masks/1.png"],
        {
            "images": ".",
            "masks": ".",
            "image_pattern": "*/images/{name}",
            "mask_pattern": "*/masks/{name}",
        },
        ["background", "object"],
    ),
}


@pytest.mark.parametrize(
    ("images", "masks", "source", "classes"), ARRANGEMENTS.values(), ids=ARRANGEMENTS
)
def test_files_of_classes_and_objects_are_recognised(
    tmp_path, write_pair, images, masks, source, classes
):
    for number in range(4):
        for mask in masks:
            write_pair(images[0].format(n=number), mask.format(n=number))
    data = plan_config(tmp_path).config["data"]
    assert data["source"] == {"kind": "folder", "path": str(tmp_path), **source}
    assert data["classes"] == classes
    assert "mask_values" not in data


def test_a_single_ending_is_a_pattern(tmp_path, write_pair):
    for number in range(4):
        write_pair(f"images/{number}.png", f"masks/{number}_cell.png")
    data = plan_config(tmp_path).config["data"]
    assert data["source"]["mask_pattern"] == "*_cell"
