# Calls a hook of a build backend (PEP 517) in the sources that are the last argument but those of the backend itself, and
# writes what it answers beside the wheel. Runs on every Python that packages are still built for.
import importlib
import json
import os
import sys

hook, out, sources, backend = sys.argv[1:5]
sys.argv = ["-c"]
# Not what lies about where it was started.
sys.path[:] = [path for path in sys.path if path]
wheels = os.path.join(out, "wheel")
os.makedirs(wheels)
os.chdir(sources)
paths = [os.path.abspath(path) for path in json.loads(os.environ.pop("IMGSPEC_BACKEND_PATH"))]
sys.path[:0] = paths
module, _, name = backend.partition(":")
found = importlib.import_module(module.strip())
if paths:
    place = os.path.realpath(getattr(found, "__file__", None) or "")
    if not any(place.startswith(os.path.join(os.path.realpath(path), "")) for path in paths):
        sys.exit("the backend `%s` is not in its backend-path, but in %s" % (module, place))
for part in name.strip().split(".") if name else ():
    found = getattr(found, part)
if hook == "get_requires_for_build_wheel":
    call = getattr(found, hook, None)
    answer = list(call()) if call else []
else:
    answer = [getattr(found, hook)(wheels)]
for text in answer:
    if not isinstance(text, str):
        sys.exit("the hook `%s` of `%s` answers with %r, which is no text" % (hook, backend, text))
with open(os.path.join(out, "answer.json"), "w") as file:
    json.dump(answer, file)
