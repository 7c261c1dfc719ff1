"""`python -m idp.cli`, the same as the console script."""

from idp.cli import main

main()
