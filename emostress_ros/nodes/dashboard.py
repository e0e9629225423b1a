"""Feeds the page: listens to states, embeddings' measures, cues and diagnostics."""

from __future__ import annotations

import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from emostress_ros.affect import MODALITIES
from emostress_ros.dashboard.board import Board
from emostress_ros.errors import EmostressError
from emostress_ros.evaluation.report_data import affect_record, cue_record
from emostress_ros.msg import AffectState, BehaviourCue, ModalityEmbedding
from emostress_ros.nodes.executor import PatientExecutor

_KEPT = 20


class DashboardNode(Node):
    """A plain node: it only listens.

    Args:
        board: where everything goes.
        namespace: where the graph is.
        context: of rclpy.
    """

    def __init__(self, board: Board, namespace: str = "", context: Context | None = None) -> None:
        super().__init__("dashboard", namespace=namespace or None, context=context)
        self._board = board
        self.create_subscription(AffectState, "affect", self._on_affect, _KEPT)
        self.create_subscription(BehaviourCue, "behaviour", self._on_cue, _KEPT)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, _KEPT)
        for modality in MODALITIES:
            self.create_subscription(
                ModalityEmbedding, f"embeddings/{modality}", self._on_embedding, _KEPT
            )

    def spin(self) -> None:
        """Listen until the context ends."""
        executor = PatientExecutor(context=self.context)
        executor.add_node(self)
        try:
            executor.spin()
        except ExternalShutdownException:
            pass

    def _on_affect(self, message: Any) -> None:
        try:
            record = affect_record(message)
        except EmostressError as error:
            self.get_logger().warning(f"a state cannot be shown: {error}")
            return
        self._board.affect(record, time.monotonic())

    def _on_cue(self, message: Any) -> None:
        self._board.cue(cue_record(message))

    def _on_embedding(self, message: Any) -> None:
        measures = dict(zip(message.measure_names, message.measures, strict=False))
        # A voice or wearable without a name is, for the page, the one person's in view.
        ids = {message.person_id, message.source_id if message.modality == "face" else ""}
        self._board.measures(tuple(ids), measures)

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            level = status.level[0] if isinstance(status.level, bytes) else int(status.level)
            self._board.node(status.name, level, status.message)
