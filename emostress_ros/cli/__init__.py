"""The `emostress` command."""
