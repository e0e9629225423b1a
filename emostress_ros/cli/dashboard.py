"""Show a running graph in the browser: people, what their states rest on, nodes.

The page is served on this machine alone; ``--host 0.0.0.0`` lets others on the network look, and
what they see is sensitive.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8765, help="(8765); 0 takes a free one")
    parser.add_argument("--namespace", default="", metavar="NS", help="where the graph is")


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    import rclpy

    from emostress_ros.dashboard.board import Board
    from emostress_ros.dashboard.server import DashboardServer
    from emostress_ros.nodes.dashboard import DashboardNode

    board = Board()
    server = DashboardServer(board, args.host, args.port)
    rclpy.init()
    node = DashboardNode(board, args.namespace)
    print(f"{server.url}  (Ctrl-C ends)", flush=True)
    try:
        node.spin()
    except KeyboardInterrupt:
        pass
    finally:
        server.close()
        node.destroy_node()
        rclpy.try_shutdown()
    return 0
