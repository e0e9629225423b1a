"""Affect in, behaviour cues out: rules with duration, hysteresis, cool-down and a safe default."""

from emostress_ros.behaviour.engine import BehaviourEngine, Cue
from emostress_ros.behaviour.parameters import BehaviourConfig
from emostress_ros.behaviour.rules import Condition, Rule, RuleSet, load_rules

__all__ = [
    "BehaviourConfig",
    "BehaviourEngine",
    "Condition",
    "Cue",
    "Rule",
    "RuleSet",
    "load_rules",
]
