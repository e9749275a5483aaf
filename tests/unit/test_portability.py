"""Text, results and files: the same on every Python, in every locale."""

import errno
import os
import resource
import signal
import stat
import subprocess
import sys
import time

import base
import ha_lizard
from ha_lizard import (PRIVATE, PUBLIC, Record, Result, append_file, printable,
                       read_file, remove_file, to_bytes, to_text, write_file)

CAFE = to_text(base.to_data('caf\\xc3\\xa9'))
