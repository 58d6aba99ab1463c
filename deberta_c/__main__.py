"""`python -m deberta_c`."""

import sys

from deberta_c._cli import main

sys.exit(main())
