"""Exercise files -> notebooks."""

import sys

# jsonschema, under nbformat, takes 1.7 of the 2 s that `import nbformat` takes to build a grammar
# of web addresses, which no notebook needs; it does without where the module cannot be imported.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
