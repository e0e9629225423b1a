from __future__ import annotations

import re

import pytest

from emostress_ros.cli.docs import SECTIONS, regenerate
from emostress_ros.errors import EmostressError
from emostress_ros.nodes.names import COMMON_NODES, MODALITY_NODES
from emostress_ros.nodes.registry import node_class


def test_the_readme_says_what_the_code_does(repository):
    text = (repository / "README.md").read_text(encoding="utf-8")
    assert all(f"<!-- generated: {name} -->" in text for name in SECTIONS)
    assert regenerate(text) == text, "run `make docs`"


def test_the_readme_names_every_parameter_of_every_node(repository):
    text = (repository / "README.md").read_text(encoding="utf-8")
    for name in [*(f"{modality}_node" for modality in MODALITY_NODES), *COMMON_NODES]:
        for spec in node_class(name).config_class.specs():
            assert f"`{spec.name}`" in text


def test_links_of_the_readme_lead_somewhere(repository):
    text = (repository / "README.md").read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#]+)", text) if "://" not in target]
    assert targets
    assert [target for target in targets if not (repository / target).exists()] == []


def test_a_section_without_an_end_is_refused():
    with pytest.raises(EmostressError, match="end: models"):
        regenerate("<!-- generated: models -->\n")
