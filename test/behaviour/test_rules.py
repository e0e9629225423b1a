from __future__ import annotations

import pytest

from emostress_ros.behaviour import load_rules
from emostress_ros.errors import RuleError


def write(tmp_path, text):
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules: [", "is not YAML"),
        ("- a", "must hold a mapping with a list 'rules'"),
        ("rules: []\nrulez: []", "unknown keys rulez"),
        ("rules: [7]", "a rule must be a mapping"),
        ("rules: [{name: a, cue: b}]", "lacks"),
        ("rules: [{name: a, cue: b, when: {}}]", "must be a mapping that is not empty"),
        ("rules: [{name: a, cue: b, when: {emotion: joyful}}]", "neutral, angry, sad"),
        ("rules: [{name: a, cue: b, when: {stress_at_least: 2}}]", r"\[-1, 1\]; got 2"),
        ("rules: [{name: a, cue: b, when: {stress_at_least: yes}}]", "must be a number"),
        ("rules: [{name: a, cue: b, when: {pulse_at_least: 1}}]", "unknown condition 'pulse"),
        ("rules: [{name: a, cue: b, when: {emotion: sad}, for_s: -1}]", "for_s"),
        ("rules: [{name: a, cue: b, when: {emotion: sad}, intensity: joy}]", "intensity"),
        ("rules: [{name: a, cue: b, when: {stress_level: EXTREME}}]", "LOW, MODERATE, HIGH"),
    ],
)
def test_a_malformed_rule_is_refused_with_what_came_and_what_is_allowed(tmp_path, text, message):
    with pytest.raises(RuleError, match=message):
        load_rules([write(tmp_path, text)])


def test_a_file_that_is_neither_preset_nor_there_names_the_presets():
    with pytest.raises(RuleError, match="driver, operator, patience"):
        load_rules(["no-such-file.yaml"])


def test_rules_of_one_name_are_refused(tmp_path):
    rule = "{name: a, cue: b, when: {emotion: sad}}"
    with pytest.raises(RuleError, match="share the name a"):
        load_rules([write(tmp_path, f"rules: [{rule}, {rule}]")])


def test_earlier_files_have_priority():
    rules = load_rules(["operator", "patience"]).rules
    assert rules[0].cue == "alert_operator"
    assert rules[-1].cue == "be_patient"
