import csv
import subprocess
import sys

import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

from pipeline import local_runner
from pipeline.commands import cli, data_commands, run_commands
from pipeline.config.loading import ENVIRONMENT_VARIABLE

CONFIG = """
name: discs
workspace: {workspace}
data:
  source: {{kind: folder, path: {workspace}/nowhere}}
  classes: [ground, disc]
gate: {{mean_iou: 0.6}}
"""


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(CONFIG.format(workspace=tmp_path))
    return path


def test_sample_writes_pairs_and_says_how_many(monkeypatch, tmp_path):
    monkeypatch.setattr(data_commands, "write_blue_marble", lambda folder: 215)
    arguments = ["sample", "blue_marble", "--out", str(tmp_path / "x")]
    result = CliRunner().invoke(cli.commands, arguments)
    assert result.exit_code == 0
    assert "215 pairs" in result.output
    assert f"{tmp_path}/x" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["sample", "blue_marble", "--out", "gs://bucket/x"],
        ["predict", "1.png", "--out", "gs://bucket/x"],
        ["check", "--config", "gs://bucket/x"],
    ],
)
def test_a_path_in_a_bucket_is_refused_where_only_local_ones_work(
    unetfx, tmp_path, monkeypatch, arguments
):
    monkeypatch.chdir(tmp_path)
    code, out, error = unetfx(*arguments)
    assert (code, out) == (2, "")
    assert error == f"unetfx: {arguments[-2]} gs://bucket/x: should be a path on this machine.\n"
    assert list(tmp_path.iterdir()) == []


def test_a_slice_by_a_missing_column_is_refused_before_any_file_is_read(unetfx, tmp_path):
    (tmp_path / "pairs.csv").write_text("image,mask,scanner\n1.png,2.png,A\n")
    config = yaml.safe_load(CONFIG.format(workspace=tmp_path))
    config["data"]["source"] = {"kind": "manifest", "path": str(tmp_path / "pairs.csv")}
    config["evaluation"] = {"slices": ["column/country"]}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config))
    code, out, error = unetfx("run", "--config", tmp_path / "mine.yaml")
    assert (code, out) == (2, "")
    (line,) = error.splitlines()
    assert line.endswith("no column 'country'. Found the columns ['scanner'].")
    assert not (tmp_path / "discs/metadata.db").exists()


def test_sample_refuses_a_folder_with_something_in_it(unetfx, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    code, out, error = unetfx("sample", "blue_marble", "--out", tmp_path)
    assert (code, out) == (2, "")
    assert error.startswith(f"unetfx: {tmp_path}: already exists")
    assert error.count("\n") == 1


def test_an_unknown_sample_is_refused_with_the_known_ones():
    result = CliRunner().invoke(cli.commands, ["sample", "mars", "--out", "x"])
    assert result.exit_code == 2
    assert "blue_marble" in result.output


@pytest.mark.parametrize("name", sorted(cli.commands.commands))
def test_help_fits_on_80_columns(name):
    result = CliRunner().invoke(cli.commands, [name, "--help"], terminal_width=80)
    assert result.exit_code == 0
    assert cli.commands.commands[name].help.partition("\n")[0] in result.output
    assert max(map(len, result.output.splitlines())) <= 80


def test_the_list_of_commands_has_one_whole_line_for_each():
    result = CliRunner().invoke(cli.commands, ["--help"], terminal_width=80)
    lines = [line.strip() for line in result.output.partition("Commands:\n")[2].splitlines()]
    for name, command in cli.commands.commands.items():
        (line,) = [line for line in lines if line.startswith(f"{name} ")]
        assert line.removeprefix(name).strip() == command.help.partition("\n")[0]


@pytest.mark.parametrize("command", ["run", "runs", "predict x.png --out out"])
@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "no such config file"), ("nme: x", "nme: unknown key (did you mean 'name'?)")],
    ids=["missing", "wrong"],
)
def test_a_bad_config_ends_in_lines_and_exit_code_2(unetfx, tmp_path, command, text, words):
    path = tmp_path / "bad.yaml"
    if text:
        path.write_text(text)
    code, out, error = unetfx(*command.split(), "--config", path)
    assert (code, out) == (2, "")
    assert words in error
    assert all(line.startswith(f"unetfx: {path}: ") for line in error.splitlines())
    assert list(tmp_path.iterdir()) == ([path] if text else [])


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "a.png\x1b]0;x\x07\nb"],
        ["run", "--\x1b[2J\n"],
        ["\x1b[2J\n"],
        ["--\x1b[2J\n"],
        ["sample", "\x1b[2J\n", "--out", "x"],
        ["predict", "x", "--out", "x", "--batch", "\x1b[2J\n"],
        ["predict", "x", "--out", "x", "--config", "\x1b[2J\n"],
        ["model", "--config", "gs://\x1b[2J\n"],
    ],
)
def test_what_is_typed_wrong_is_quoted_without_control_characters(unetfx, arguments):
    code, out, error = unetfx(*arguments)
    assert (code, out) == (2, "")
    assert r"\x1b" in error
    assert "\x1b" not in error
    assert r"\n" in error.splitlines()[-1]


def test_predict_without_a_model_ends_in_one_line(unetfx, config_file, tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "1.png")
    out = tmp_path / "out"
    code, _, error = unetfx("predict", tmp_path / "1.png", "--out", out, "--config", config_file)
    assert code == 2
    assert "no pushed model" in error
    assert error.count("\n") == 1
    assert not out.exists()


class TestPredict:
    """With a server that replays recorded answers: three classes, masks of 3×2 pixels."""

    @pytest.fixture
    def predict(self, unetfx, config_file, tmp_path):
        text = CONFIG.format(workspace=tmp_path / "runs")
        config_file.write_text(text.replace("[ground, disc]", "[ocean, land, lake]"))
        (tmp_path / "new").mkdir()
        for name in ("a", "b"):
            Image.new("RGB", (3, 2)).save(tmp_path / f"new/{name}.png")

        def predict(*arguments):
            out = tmp_path / "out"
            return unetfx("predict", *arguments, "--out", out, "--config", config_file)

        return predict

    def test_a_folder_by_a_server(self, predict, rest_server, tmp_path):
        code, out, error = predict(tmp_path / "new", "--url", rest_server.url)
        assert (code, error) == (0, "")
        shares = "ocean 66.7%, land 16.7%, lake 16.7%"
        assert out.splitlines() == [f"{tmp_path}/new/{name}.png: {shares}" for name in "ab"]
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
            "a_mask.png",
            "a_overlay.png",
            "b_mask.png",
            "b_overlay.png",
            "classes.csv",
        ]
        assert rest_server.predictions == ["/v1/models/discs:predict"] * 2
        assert not (tmp_path / "runs").exists()

    def test_names_of_files_cannot_control_the_terminal_or_a_spreadsheet(
        self, predict, rest_server, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path / "new")
        (tmp_path / "new/a.png").rename(tmp_path / "new/=1\x1b]0;x\x07\n\u202e.png")
        (tmp_path / "new/b.png").write_text("no image")
        (tmp_path / "new/b.png").rename(tmp_path / "new/-\x9b2J\r.png")
        code, out, error = predict("=*.png", "@.png", "--url", rest_server.url)
        assert (code, out) == (2, "")
        assert error == "unetfx: @.png: no such file or folder.\n"
        code, out, error = predict("*.png", "--url", rest_server.url)
        assert code == 2
        (line,) = out.splitlines()
        assert line.startswith(r"=1\x1b]0;x\x07\n\u202e.png: ocean 66.7%")
        first, last = error.splitlines()
        assert first.startswith(r"unetfx: -\x9b2J\r.png: cannot be read as an image")
        assert last.startswith("unetfx: 1 of 2 images failed. ")
        with (tmp_path / "out/classes.csv").open(newline="") as file:
            bad, good = csv.DictReader(file)
        assert bad["error"].startswith("'-")
        assert bad["image"] == "./-\x9b2J\r.png"
        assert (tmp_path / "new" / good["image"]).is_file()
        assert (tmp_path / "out" / good["mask"]).is_file()
        assert good["mask"].startswith("./=1")

    @pytest.mark.parametrize(
        ("options", "path"),
        [
            ("--name sea --model-version 3", "/v1/models/sea/versions/3:predict"),
            ("--label canary", "/v1/models/discs/labels/canary:predict"),
        ],
        ids=["version", "label"],
    )
    def test_which_model_of_a_server(self, predict, rest_server, tmp_path, options, path):
        assert predict(tmp_path / "new/*.png", "--url", rest_server.url, *options.split())[0] == 0
        assert rest_server.predictions == [path] * 2

    def test_images_are_sent_together(self, predict, rest_server, tmp_path):
        rest_server.answers = [(400, '{"error": "one at a time"}'), *rest_server.answers]
        assert predict(tmp_path / "new", "--url", rest_server.url, "--batch", 2)[0] == 0
        sent = [len(body["instances"]) for _, _, body in rest_server.requests[1:]]
        assert sent == [2, 1, 1]

    def test_a_bad_image_among_good_ones(self, predict, rest_server, tmp_path):
        (tmp_path / "new/aa.png").write_text("no image")
        code, out, error = predict(tmp_path / "new", "--url", rest_server.url)
        assert code == 2
        assert len(out.splitlines()) == 2
        first, last = error.splitlines()
        assert first.startswith(f"unetfx: {tmp_path}/new/aa.png: cannot be read as an image")
        assert last.startswith("unetfx: 1 of 3 images failed. ")

    def test_a_single_bad_image_gets_one_line(self, predict, rest_server, tmp_path):
        (tmp_path / "new/aa.png").write_text("no image")
        code, out, error = predict(tmp_path / "new/aa.png", "--url", rest_server.url)
        assert (code, out, error.count("\n")) == (2, "", 1)

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ("{new} --url http://127.0.0.1:1", "http://127.0.0.1:1: cannot be reached ("),
            ("{new} --url localhost:8501", "localhost:8501: not the address of a server."),
            (
                "{new} --url {url} --model-version 1 --label x",
                "Give the model's version or a label",
            ),
            ("{new} --label canary", "--label: only works with --url"),
            ("{new} --name sea", "--name: only works with --url"),
            ("{new} --timeout 3", "--timeout: only works with --url"),
            ("{new} {new}/../nowhere.png --url {url}", "nowhere.png: no such file or folder."),
            ("{new}/*.jpg --url {url}", "*.jpg: no file matches this pattern."),
        ],
        ids=["no server", "no address", "both", "label", "name", "timeout", "no file", "no match"],
    )
    def test_an_impossible_request_ends_in_one_line(
        self, predict, rest_server, tmp_path, arguments, words
    ):
        text = arguments.format(new=tmp_path / "new", url=rest_server.url)
        code, out, error = predict(*text.split())
        assert (code, out, error.count("\n")) == (2, "", 1)
        assert words in error
        assert not (tmp_path / "out").exists()

    def test_a_server_without_the_model(self, predict, rest_server, tmp_path):
        rest_server.metadata = None
        code, _, error = predict(tmp_path / "new", "--url", rest_server.url)
        assert (code, error.count("\n")) == (2, 1)
        assert "HTTP 404 for /v1/models/discs/metadata: Servable not found for" in error
        assert not (tmp_path / "out").exists()

    def test_a_server_that_starts_is_waited_for(self, predict, rest_server, tmp_path):
        rest_server.starting = 2
        code, out, error = predict(tmp_path / "new", "--url", rest_server.url, "--timeout", 30)
        assert (code, out.count("\n")) == (0, 2)
        assert error == (
            f"{rest_server.url}: the server serves no version yet; waiting up to 30 s\n"
        )

    def test_a_server_that_does_not_start_in_time(self, predict, rest_server, tmp_path):
        rest_server.starting = 1000
        code, _, error = predict(tmp_path / "new", "--url", rest_server.url, "--timeout", 0.5)
        waiting, failed = error.splitlines()
        assert (code, waiting.endswith("waiting up to 0.5 s")) == (2, True)
        assert failed.endswith(
            "The server is overloaded or serves no version yet. Try again later."
        )

    def test_a_model_of_other_classes(self, predict, rest_server, config_file, tmp_path):
        config_file.write_text(CONFIG.format(workspace=tmp_path))
        code, _, error = predict(tmp_path / "new", "--url", rest_server.url)
        assert (code, error.count("\n")) == (2, 1)
        assert "it has 3 classes, expected the 2 of ground, disc" in error

    def test_a_server_is_used_without_tensorflow(self, rest_server, tmp_path):
        Image.new("RGB", (3, 2)).save(tmp_path / "1.png")
        code = (
            "import sys; sys.modules['tensorflow'] = None\n"
            "from pipeline.commands.cli import main\nmain()"
        )
        command = [sys.executable, "-c", code, "predict", str(tmp_path / "1.png")]
        options = ["--out", str(tmp_path / "out"), "--url", rest_server.url]
        done = subprocess.run([*command, *options], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


def test_run_with_missing_data_ends_in_one_line(unetfx, config_file, tmp_path):
    code, _, error = unetfx("run", "--config", config_file)
    assert code == 2
    assert error == (
        f"unetfx: {tmp_path}/nowhere/images: no such folder. Check data.source in the config.\n"
    )


@pytest.mark.parametrize("code", [0, 3])
def test_run_returns_the_exit_code(monkeypatch, unetfx, config_file, code):
    monkeypatch.setattr(run_commands, "run_pipeline", lambda path: code)
    assert unetfx("run", "--config", config_file)[0] == code


def test_tfx_runs_the_config_that_the_environment_names(monkeypatch, capfd, tmp_path):
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path / "mine.yaml"))
    assert local_runner.main() == 2
    assert f"{tmp_path}/mine.yaml" in capfd.readouterr().err
