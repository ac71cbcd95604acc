# The next version of the python layer: one library more, a changed program, everything else as it was.
apt-get install -y --no-install-recommends python3 python3-numpy python3-flask python3-requests
cat >/srv/hello.py <<'PY'
import flask
import numpy
import requests

app = flask.Flask("hello")
total = int(numpy.arange(10).sum())
print(f"python says {total} with flask {flask.__name__}, numpy {numpy.__name__} and {requests.__name__}", flush=True)
PY
