"""`python -m clipig`, where there is no script `clipig`."""

from clipig_cli import main

main()
