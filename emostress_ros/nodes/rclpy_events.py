"""Where rclpy keeps what it tells of a subscription's events: elsewhere until Iron."""

try:
    from rclpy.event_handler import EventHandler, SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import QoSEventHandler as EventHandler
    from rclpy.qos_event import SubscriptionEventCallbacks

__all__ = ["EventHandler", "SubscriptionEventCallbacks"]
