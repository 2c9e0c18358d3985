#!/usr/bin/env python3
"""Twenty kills at random moments, as tests/torture/torture.py does two thousand of: nothing acknowledged is lost, nothing is told in vain."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

if __name__ == "__main__":
    sys.exit(subprocess.run([sys.executable, os.path.join(HERE, "../torture/torture.py"), "--kills", "20"], check=False).returncode)
