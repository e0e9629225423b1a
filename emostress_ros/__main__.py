"""``python -m emostress_ros`` is the ``emostress`` command."""

from emostress_ros.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
