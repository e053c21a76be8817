"""`python -m batch_platform.cli`."""

from batch_platform.cli import main

main()
