"""Cleaning of whatever a recogniser or a keyboard sends."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emostress_ros.errors import ModelCorruptError
from emostress_ros.modalities.text.tokenizer import WordPiece, clean, pad


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("  two\t\nwords \r\n", "two words"),
        ("bell\x07 and null\x00", "bell and null"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("so \U0001f622", "so crying face"),
        ("\ud800lone surrogate", "lone surrogate"),
        ("cafe\u0301", "caf\u00e9"),
        ("\u00a0\u2003", ""),
    ],
)
def test_what_is_no_text_goes_and_emoji_get_a_name(raw: str, cleaned: str) -> None:
    assert clean(raw, 1000) == cleaned


@settings(deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=300))
def test_cleaned_text_is_plain_utf8_and_stays_as_it_is(raw: str) -> None:
    cleaned = clean(raw, 1000)
    cleaned.encode("utf-8")
    assert clean(cleaned, 10_000_000) == cleaned
    assert cleaned == cleaned.strip() and "  " not in cleaned


def test_a_huge_text_is_cut_before_it_costs_anything() -> None:
    assert len(clean("a" * 10_000_000, 500)) == 500


def test_padding_marks_what_is_token() -> None:
    ids, mask = pad([[1, 2, 3], [4]])
    assert ids.tolist() == [[1, 2, 3], [4, 0, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]


def test_a_damaged_tokenizer_is_named(tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_text("{}")
    with pytest.raises(ModelCorruptError, match=r"tokenizer\.json"):
        WordPiece(file, 128)
