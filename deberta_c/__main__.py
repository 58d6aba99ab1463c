"""`python -m deberta_c`."""

import sys

from deberta_c._cli.main import main

sys.exit(main())
