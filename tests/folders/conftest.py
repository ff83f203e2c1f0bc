"""What makes the recorded folders holds no tests."""

collect_ignore_glob = ["*.py"]
