"""Exercise files -> notebooks."""

import sys

# jsonschema, under nbformat, takes a second to build this grammar for a check of web addresses
# that no notebook needs; it does without where the module cannot be imported.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
