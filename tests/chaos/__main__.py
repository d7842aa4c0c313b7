"""Runs the campaign."""

import sys

from .command import main

sys.exit(main())
