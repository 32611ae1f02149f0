import pytest

from data.errors import MissingFileError
from data.files.state import file_state, folder_state


def test_the_state_of_a_folder_is_that_of_its_files(tree):
    files = [file_state(f"{tree}/a/{name}") for name in ("x.png", "y/z.txt")]
    state = folder_state(f"{tree}/a")
    assert state.size == sum(file.size for file in files)
    assert state.modified >= max(file.modified for file in files)
    with pytest.raises(MissingFileError):
        folder_state(f"{tree}/nowhere")
