"""A bag and its labels in, a report out: what `emostress evaluate` does, without ROS."""
