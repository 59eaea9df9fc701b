"""Tests of crtools.images; a package, so that its modules may be called as others elsewhere."""
