"""Shared code of the lessons: every module here is a recap of something taught in a notebook.

Importing the package is cheap: torch and the D-Wave libraries load when a module that needs them
does.
"""

import os

# torch's OpenMP threads spin while they wait, so two kernels on one small machine slow each other
# more than tenfold.  A short spin count costs a lone process 8 % and mends that.  It only takes
# effect before torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

__version__ = "0.1.0"
