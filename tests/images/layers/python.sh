# python3 with two libraries of real weight, and a small program that uses them.
apt-get install -y --no-install-recommends python3 python3-numpy python3-flask
cat >/srv/hello.py <<'PY'
import flask
import numpy

app = flask.Flask("hello")
total = int(numpy.arange(10).sum())
print(f"python says {total} with flask {flask.__name__} and numpy {numpy.__name__}", flush=True)
PY
