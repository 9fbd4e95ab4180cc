"""`python -m fedjax_shap` is the command `fedjax-shap`."""

import sys

from fedjax_shap.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
