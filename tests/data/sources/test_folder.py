import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.files.paths import join
from data.sources.image_suffixes import IMAGE_SUFFIXES
from tests.data.sources.folders import find_in, keys, problems, refusal


def test_pairs_are_formed_by_relative_stem(anywhere, write_files):
    write_files(anywhere, "images/x/1.jpg", "images/1.png", "images/x/y/1.BMP")
    write_files(anywhere, "masks/1.png", "masks/x/1.png", "masks/x/y/1.tif")
    assert [pair[:3] for pair in sorted(find_in(anywhere).pairs)] == [
        ("1", f"{anywhere}/images/1.png", f"{anywhere}/masks/1.png"),
        ("x/1", f"{anywhere}/images/x/1.jpg", f"{anywhere}/masks/x/1.png"),
        ("x/y/1", f"{anywhere}/images/x/y/1.BMP", f"{anywhere}/masks/x/y/1.tif"),
    ]


def test_position_in_the_listings_is_no_pairing(tmp_path, write_files):
    # Paired by sorted file names, the first image would get the second image's mask.
    write_files(tmp_path, "images/a.png", "images/a-1.png", "masks/a.tif", "masks/a-1.png")
    pairs = sorted(find_in(tmp_path).pairs)
    assert [(pair.key, posixpath.basename(pair.mask)) for pair in pairs] == [
        ("a", "a.tif"),
        ("a-1", "a-1.png"),
    ]


def test_a_stem_may_hold_dots(tmp_path, write_files):
    write_files(tmp_path, "images/v1.0.png", "images/v1.1.png", "masks/v1.0.png", "masks/v1.1.png")
    assert keys(tmp_path) == ["v1.0", "v1.1"]


def test_names_count_letter_by_letter(tmp_path, write_files):
    write_files(tmp_path, "images/a.png", "images/A.png", "masks/a.png", "masks/A.png")
    assert keys(tmp_path) == ["A", "a"]


@pytest.mark.parametrize("suffix", sorted(IMAGE_SUFFIXES))
def test_every_suffix_is_taken_in_any_case(tmp_path, write_files, suffix):
    write_files(tmp_path, f"images/1{suffix.upper()}", f"masks/1{suffix}")
    assert keys(tmp_path) == ["1"]


@pytest.mark.parametrize(
    "litter",
    [
        ".DS_Store",
        ".hidden.png",
        ".git/2.png",
        "x/.cache/2.png",
        "Thumbs.db",
        "THUMBS.DB",
        "x/desktop.ini",
        "Icon\r",
        "Picasa.ini",
        "Thumbs.db:encryptable",
        "$RECYCLE.BIN/2.png",
        "@eaDir/2.png",
        "__MACOSX/2.png",
        "1.png:Zone.Identifier",
    ],
)
def test_litter_is_ignored(tmp_path, write_files, litter):
    write_files(tmp_path, "images/1.png", "masks/1.png", f"images/{litter}", f"masks/{litter}")
    assert keys(tmp_path) == ["1"]


def test_patterns_with_a_slash_match_paths(tmp_path, write_files):
    write_files(tmp_path, "ds/img/1.png", "ds/masks_machine/1.png", "ds/masks_human/1.png")
    patterns = {"image_pattern": "img/*", "mask_pattern": "masks_machine/*"}
    options = {"images": ".", "masks": "."} | patterns
    assert problems(tmp_path, **options) == [("ds/masks_human/1.png", "unmatched")]
    assert keys(tmp_path, ignore=["*/masks_human/*"], **options) == ["ds/1"]
    assert keys(tmp_path, ignore=["ds/masks_human/"], **options) == ["ds/1"]


def test_what_lies_beside_images_and_masks_is_ignored(tmp_path, write_files):
    write_files(tmp_path, "images/1.png", "masks/1.png", "README.md", "raw/2.png")
    assert keys(tmp_path) == ["1"]


@pytest.mark.parametrize(
    ("images", "masks"), [("photos", "labels"), ("./photos", "deep/labels"), (".", "masks")]
)
def test_folders_have_configurable_names(anywhere, write_files, images, masks):
    write_files(join(anywhere, images), "a/1.jpg")
    write_files(join(anywhere, masks), "a/1.png")
    assert keys(anywhere, images=images, masks=masks) == ["a/1"]


def test_paths_may_start_at_the_current_folder(tmp_path, write_files, monkeypatch):
    write_files(tmp_path, "1.png", "masks/1.png")
    monkeypatch.chdir(tmp_path)
    (pair,) = find_in(".", images=".").pairs
    assert pair == ("1", "1.png", "masks/1.png", None, None, None, {})


PATTERNS = [
    ({"mask_pattern": "*_mask"}, ["a.jpg", "a_mask.png"], ["a"]),
    ({"mask_pattern": "*_mask.png"}, ["a.png", "a_mask.PNG"], ["a"]),
    ({"image_pattern": "*.png", "mask_pattern": "*_gt"}, ["a.png", "a_gt.png"], ["a"]),
    ({"image_pattern": "*.jpg", "mask_pattern": "*.png"}, ["a.JPG", "a.png"], ["a"]),
    ({"mask_pattern": "*.png"}, ["a.jpg", "a.png"], ["a"]),
    ({"image_pattern": "img-*", "mask_pattern": "lab-*"}, ["img-1.png", "lab-1.png"], ["1"]),
    ({"image_pattern": "i*x", "mask_pattern": "m*x"}, ["i-x.png", "m-x.png"], ["-"]),
    ({"mask_pattern": "*.mask"}, ["v1.2.png", "v1.2.mask.png"], ["v1.2"]),
]


@pytest.mark.parametrize("folder", ["one folder", "two folders"])
@pytest.mark.parametrize(("patterns", "names", "expected"), PATTERNS)
def test_patterns(tmp_path, write_files, patterns, names, expected, folder):
    image, mask = names
    if folder == "one folder":
        write_files(tmp_path, f"x/{image}", f"x/{mask}")
        assert keys(tmp_path, images=".", masks=".", **patterns) == [f"x/{expected[0]}"]
    else:
        write_files(tmp_path, f"images/{image}", f"masks/{mask}")
        assert keys(tmp_path, **patterns) == expected


def test_a_name_that_two_patterns_match_alike_is_listed(tmp_path, write_files):
    write_files(tmp_path, "i_1.png", "1_m.png", "i_2_m.png")
    options = {"images": ".", "masks": ".", "image_pattern": "i_*", "mask_pattern": "*_m"}
    assert problems(tmp_path, **options) == [("i_2_m.png", "unmatched")]


FAULTS = [
    (["images/2.png"], {}, [("images/2.png", "unpaired")]),
    (["masks/x/2.png"], {}, [("masks/x/2.png", "unpaired")]),
    (
        ["images/B.png", "masks/b.png"],
        {},
        [("images/B.png", "unpaired"), ("masks/b.png", "unpaired")],
    ),
    (["images/notes.txt"], {}, [("images/notes.txt", "not_an_image")]),
    (["masks/README"], {}, [("masks/README", "not_an_image")]),
    (["images/2.png.bak"], {}, [("images/2.png.bak", "not_an_image")]),
    (
        ["images/2.png", "images/2.jpg", "masks/2.png"],
        {},
        [
            ("images/2.jpg", "same_name"),
            ("images/2.png", "same_name"),
            ("masks/2.png", "same_name"),
        ],
    ),
    (
        ["masks/2.png", "masks/2.PNG"],
        {},
        [("masks/2.PNG", "same_name"), ("masks/2.png", "same_name")],
    ),
    (["images/2.jpg"], {"image_pattern": "*.png"}, [("images/2.jpg", "unmatched")]),
]


@pytest.mark.parametrize(("names", "options", "expected"), FAULTS)
def test_a_file_that_makes_no_pair_is_listed(tmp_path, write_files, names, options, expected):
    write_files(tmp_path, "images/1.png", "masks/1.png", *names)
    assert problems(tmp_path, **options) == expected
    assert [pair.key for pair in find_in(tmp_path, **options).pairs] == ["1"]


def test_a_star_stands_for_something(tmp_path, write_files):
    write_files(tmp_path, "images/1.png", "masks/1_mask.png", "masks/_mask.png")
    assert problems(tmp_path, mask_pattern="*_mask") == [("masks/_mask.png", "unmatched")]


def test_equal_faults_have_equal_reasons_that_say_what_to_do(tmp_path, write_files):
    write_files(tmp_path, "images/1.png", "masks/1.png", "images/2.png", "images/x/3.png")
    one, two = sorted(find_in(tmp_path).problems, key=str)
    assert one.reason == two.reason
    assert str(one) == (
        f"{tmp_path}/images/2.png: no mask of that name in {tmp_path}/masks. "
        "Add it or remove the image."
    )


@pytest.mark.parametrize("missing", ["images", "masks"])
def test_a_missing_folder_is_named(anywhere, write_files, missing):
    write_files(anywhere, *({"images/1.png", "masks/1.png"} - {f"{missing}/1.png"}))
    assert refusal(anywhere).startswith(f"{anywhere}/{missing}: no such folder.")


@pytest.mark.parametrize("kind", ["image", "mask"])
def test_a_folder_without_any_image_is_named_with_what_was_looked_for(tmp_path, write_files, kind):
    write_files(tmp_path, "images/1.png", "masks/1.png")
    (tmp_path / f"{kind}s/1.png").rename(tmp_path / f"{kind}s/1.npy")
    message = refusal(tmp_path)
    assert message.startswith(f"{tmp_path}/{kind}s: no {kind}s found")
    assert all(f"*{suffix}" in message for suffix in IMAGE_SUFFIXES)
    assert f"data.source.{kind}_pattern: '*'" in message


# -- any tree of names


STEMS = st.sampled_from(["a", "b", "a_m", "b_m", "_m", "a.b", "i_a", "i_a_m"])
NAMES = st.builds(
    lambda folder, stem, suffix: f"{folder}{stem}{suffix}",
    st.sampled_from(["", "x/", "x/y/", "masks/"]),
    STEMS,
    st.sampled_from([".png", ".PNG", ".jpg", ".txt", ""]),
)


@given(
    names=st.sets(NAMES, max_size=12),
    folders=st.sampled_from([("images", "masks"), (".", "."), (".", "masks"), ("in", "in/masks")]),
    image_pattern=st.sampled_from(["*", "i_*", "*.jpg"]),
    mask_pattern=st.sampled_from(["*_m", "*_m.png", "*.png"]),
)
def test_nothing_is_ever_dropped(
    tmp_path_factory, write_files, names, folders, image_pattern, mask_pattern
):
    root = tmp_path_factory.mktemp("tree")
    images, masks = folders
    for folder in {images, masks}:
        write_files(root, f"{folder}/zz.jpg", f"{folder}/i_zz.jpg", f"{folder}/zz_m.png")
        write_files(
            root, *(f"{folder}/{name}" for name in names if not (root / folder / name).is_dir())
        )
    found = find_in(
        root,
        images=images,
        masks=masks,
        image_pattern=image_pattern,
        mask_pattern=mask_pattern,
    )
    everything = {
        str(path)
        for folder in {images, masks}
        for path in (root / folder).rglob("*")
        if path.is_file()
    }
    in_pairs = [file for pair in found.pairs for file in (pair.image, pair.mask)]
    in_problems = [problem.file for problem in found.problems]
    assert sorted(in_pairs + in_problems) == sorted(everything)
    assert len({pair.key for pair in found.pairs}) == len(found.pairs)
    for pair in found.pairs:
        before = image_pattern.partition("*")[0]
        image = posixpath.relpath(pair.image, root / images)
        assert posixpath.dirname(image) == posixpath.dirname(pair.key)
        assert posixpath.basename(image).startswith(f"{before}{posixpath.basename(pair.key)}")
        mask = posixpath.relpath(pair.mask, root / masks)
        assert posixpath.dirname(mask) == posixpath.dirname(pair.key)
        assert posixpath.splitext(mask)[0] == pair.key + mask_pattern.partition(".")[0][1:]


@pytest.fixture
def listed(anywhere, write_files, write_file):
    stems = ["1", "2", "x/3", "4"]
    write_files(anywhere, *(f"{kind}/{stem}.png" for kind in ("images", "masks") for stem in stems))
    write_files(anywhere, "images/5.png", "masks/6.png")  # not pairs, as in Pascal VOC

    def lists(**contents):
        for split, content in contents.items():
            write_file(f"{anywhere}/lists/{split}.txt", content.encode())
        return find_in(anywhere, split_lists={name: f"lists/{name}.txt" for name in contents})

    return lists


def test_split_lists(listed):
    found = listed(train="1\r\nx/3.png\r\n\r\n", test="  2.jpg\n")
    assert sorted((pair.key, pair.split) for pair in found.pairs) == [
        ("1", "train"),
        ("2", "test"),
        ("x/3", "train"),
    ]
    assert found.problems == []
    assert sorted(found.unused) == ["4", "5", "6"]


def test_a_listed_image_without_mask_is_a_problem(listed, anywhere):
    found = listed(train="1\n5\n")
    assert [(problem.kind, problem.file) for problem in found.problems] == [
        ("unpaired", f"{anywhere}/images/5.png")
    ]


def test_a_listed_name_without_file_is_a_problem(listed, anywhere):
    (problem,) = listed(train="1\n\nx/9\n").problems
    assert problem.kind == "not_in_folder"
    assert str(problem).startswith(f"{anywhere}/lists/train.txt:3 (x/9): no such image")


def test_a_name_in_two_lists_is_a_problem_and_no_pair(listed, anywhere):
    found = listed(train="1\n1\n2\n", val="2.png\n")
    assert [pair.key for pair in found.pairs] == ["1"]
    assert sorted((problem.kind, problem.file) for problem in found.problems) == [
        ("in_two_lists", f"{anywhere}/images/2.png"),
        ("in_two_lists", f"{anywhere}/masks/2.png"),
    ]
    assert "listed for train and val." in found.problems[0].reason


def test_a_list_among_the_images_is_no_image(tmp_path, write_files, write_file):
    write_files(tmp_path, "1.png", "1_m.png")
    write_file(f"{tmp_path}/train.txt", b"1\n")
    options = {"images": ".", "masks": ".", "mask_pattern": "*_m"}
    assert keys(tmp_path, split_lists={"train": "train.txt"}, **options) == ["1"]


def test_a_missing_list_is_named(tmp_path, write_files):
    write_files(tmp_path, "images/1.png", "masks/1.png")
    message = refusal(tmp_path, split_lists={"train": "train.txt"})
    assert message.startswith(f"{tmp_path}/train.txt: no such file")
