"""``python -m harness`` does what ``echobench`` does."""

from harness.cli import main

main()
