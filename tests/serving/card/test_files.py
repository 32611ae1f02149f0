from serving.card.files import PUSHED_CARD_FILES, pushed_card_files, read_pushed_card
from tests.cards import make_card


def test_a_card_is_read_as_it_was_written(tmp_path):
    card = make_card()
    files = pushed_card_files(card)
    assert set(files) == PUSHED_CARD_FILES
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    assert read_pushed_card(str(tmp_path)) == card


def test_a_card_may_be_missing_or_unreadable(tmp_path):
    assert read_pushed_card(str(tmp_path)) is None
    (tmp_path / "assets.extra").mkdir()
    for content in (b"{", b'{"name": "x"}', b"\xff"):
        (tmp_path / "assets.extra/model_card.json").write_bytes(content)
        assert read_pushed_card(str(tmp_path)) is None
