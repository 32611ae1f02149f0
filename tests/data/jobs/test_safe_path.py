import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
SCRIPT = """
import io
from PIL import Image
from data.jobs.processes import in_processes
from data.rasters.decoder import read_raster
from data.rasters.raster import RasterFile
gif = io.BytesIO()
Image.new("L", (3, 2)).save(gif, "GIF")
files = [RasterFile(gif.getvalue(), "x.gif", "image", 100)]
print(list(in_processes(pow, [2, 3], 2)))
print(next(in_processes(read_raster, files)).samples.shape)
"""


def test_modules_of_the_users_folder_are_not_imported(tmp_path):
    for name in ("random", "tempfile", "json", "data/__init__"):
        path = tmp_path / f"folder/{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("raise RuntimeError('imported')")
    script = tmp_path / "script.py"
    script.write_text(f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\n{SCRIPT}")
    done = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path / "folder",
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("[4, 9]\n(2, 3, 1)\n", "")
