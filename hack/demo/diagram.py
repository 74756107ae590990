#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""diagram.py FILE NAME=VALUE...: prints FILE with each {NAME   } replaced by its value, in exactly the width of the braces."""
import re
import sys

values = dict(arg.split("=", 1) for arg in sys.argv[2:])


def fill(match):
    width = len(match.group(0))
    return values[match.group(1)][:width].ljust(width)


with open(sys.argv[1], encoding="utf-8") as f:
    sys.stdout.write(re.sub(r"\{(\w+) *\}", fill, f.read()))
