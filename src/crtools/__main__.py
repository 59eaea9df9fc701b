"""Where the command starts: bin/crtools runs this file with `python -I -S`, people run -m crtools.

A script is compiled at each start, so this one is short. Without site the interpreter knows only
the standard library; what else there is follows from where this file and the interpreter lie.
"""

import gc
import os
import sys

# Looking for cycles takes as long as the work for a small process, and there are next to none: a
# command ends before they could matter.
gc.disable()

cache = None
if not __package__:
    packages = __file__.rpartition("/crtools/")[0]
    prefix = sys.executable.rpartition("/bin/")[0]
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    beside = f"{prefix}/lib/{version}/site-packages"
    sys.path += [packages] if beside == packages else [packages, beside]

    try:
        import _cffi_backend
    except ModuleNotFoundError:
        # An unusual layout: let site find what this interpreter has, however long that takes.
        import site

        site.main()
        try:
            import _cffi_backend  # noqa: F401
        except ModuleNotFoundError:
            sys.exit(f"crtools: cffi is not installed for {sys.executable}.\nTry: pip install cffi")

    from crtools.codecache import ENTRIES, CodeCache

    verb = next((word for word in sys.argv[1:] if word in ENTRIES), "")
    cache = CodeCache(f"{packages}/crtools", ENTRIES.get(verb, ""))
    sys.meta_path.insert(0, cache)
    cache.load_entry()

from crtools.cli.main import main  # noqa: E402

status = main()
try:
    sys.stdout.flush()
    sys.stderr.flush()
except OSError:
    status = status or 1  # nobody reads what we say: do not call that a success
if cache is not None and status == 0:
    cache.update()
# Without tearing the interpreter down, which takes longer than it is worth.
os._exit(status)
