"""`python -m clipig_cli`, where there is no script `clipig`."""

from clipig_cli import main

main()
