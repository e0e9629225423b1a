"""Turns a stream of affect into behaviour cues that do not flicker."""

from __future__ import annotations

from dataclasses import dataclass

from emostress_ros.affect import Affect
from emostress_ros.behaviour.rules import Rule, RuleSet


@dataclass(frozen=True)
class Cue:
    """What the robot is asked to do about a person.

    Attributes:
        stamp_ns: stamp of the affect that led to it.
        person_id: whom it is about.
        cue: name of the cue; the default cue takes an earlier one back.
        intensity: [0, 1].
        reason: text for people.
    """

    stamp_ns: int
    person_id: str
    cue: str
    intensity: float
    reason: str


class _RuleState:
    """How one rule stands with one person: idle, holding, active, releasing."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.active = False
        self._since_ns: int | None = None  # when what would change ``active`` began
        self._given_ns: int | None = None
        self._last_ns = 0

    def update(self, affect: Affect) -> bool:
        """Take an affect in; tell whether ``active`` changed."""
        rule, now = self.rule, affect.stamp_ns
        if now < self._last_ns:  # the clock went back (a looping bag): what was timed is void
            self._since_ns = self._given_ns = None
        self._last_ns = now
        holds = rule.when.holds(affect, rule.margin if self.active else 0.0)
        if holds == self.active:
            self._since_ns = None
            return False
        if self._since_ns is None:
            self._since_ns = now
        needed_s = rule.release_s if self.active else rule.for_s
        if now - self._since_ns < 1e9 * needed_s or not (self.active or self._has_cooled(now)):
            return False
        self.active, self._since_ns = holds, None
        if holds:
            self._given_ns = now
        return True

    def _has_cooled(self, now_ns: int) -> bool:
        given = self._given_ns
        return given is None or now_ns - given >= 1e9 * self.rule.cool_down_s


class BehaviourEngine:
    """Follows several people, each with the state of every rule.

    A cue is given when the condition of its rule has held for ``for_s``, the rule has cooled
    down, and no rule of higher priority is active.  It is taken back, by giving the next active
    rule's cue or the default cue, when the condition, widened by the margin, has failed for
    ``release_s``; and at once when the person's states stop.

    Args:
        rules: rules in order of priority.
        timeout_s: silence after which a person's cue is taken back.
        max_people: most people followed; the one silent for longest makes room.
    """

    def __init__(self, rules: RuleSet, timeout_s: float = 3.0, max_people: int = 16) -> None:
        self._rules = rules
        self._timeout_ns = round(1e9 * timeout_s)
        self._max_people = max_people
        self._states: dict[str, list[_RuleState]] = {}
        self._heard: dict[str, tuple[int, int]] = {}  # person: (arrival, stamp)
        self._given: dict[str, str] = {}

    def update(self, affect: Affect, arrival_ns: int) -> list[Cue]:
        """Take a person's affect in and return the cues that follow, at most one."""
        person = affect.person_id
        cues = self._make_room(person)
        self._heard[person] = (arrival_ns, affect.stamp_ns)
        states = self._states.setdefault(person, [_RuleState(rule) for rule in self._rules.rules])
        for state in states:
            state.update(affect)
        active = next((state.rule for state in states if state.active), None)
        if active is None:
            return cues + self._give_default(person, affect.stamp_ns, "no rule applies any more")
        if self._given.get(person) == active.name:
            return cues
        self._given[person] = active.name
        reason = active.reason or active.name
        cue = Cue(affect.stamp_ns, person, active.cue, active.strength(affect), reason)
        return [*cues, cue]

    def expire(self, now_ns: int) -> list[Cue]:
        """Return the default cue for everybody whose states have stopped."""
        cues: list[Cue] = []
        for person, (arrival_ns, stamp_ns) in list(self._heard.items()):
            if now_ns - arrival_ns > self._timeout_ns:
                cues += self._drop(person, stamp_ns, "no state of this person any more")
        return cues

    def _drop(self, person: str, stamp_ns: int, reason: str) -> list[Cue]:
        del self._heard[person]
        self._states.pop(person, None)
        return self._give_default(person, stamp_ns, reason)

    def _make_room(self, person: str) -> list[Cue]:
        if person in self._heard or len(self._heard) < self._max_people:
            return []
        oldest = min(self._heard, key=lambda name: self._heard[name][0])
        return self._drop(oldest, self._heard[oldest][1], "more people than can be followed")

    def _give_default(self, person: str, stamp_ns: int, reason: str) -> list[Cue]:
        if self._given.pop(person, None) is None:
            return []
        return [Cue(stamp_ns, person, self._rules.default_cue, 0.0, reason)]
