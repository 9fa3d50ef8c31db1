"""``python -m qdvae_helpers COMMAND``: the same as the command ``qdvae``."""

import sys

if __name__ == "__main__":
    try:
        from qdvae_helpers.commands import main

        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\nStopped.")
