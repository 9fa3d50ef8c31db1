"""``python -m qdvae_helpers COMMAND``: the same as the command ``qdvae``."""

import sys

from qdvae_helpers.commands import main

if __name__ == "__main__":
    sys.exit(main())
