"""``python -m qdvae_helpers COMMAND``, for those who have no ``qdvae`` on their path."""

import sys

from qdvae_helpers.commands import main

sys.exit(main())
