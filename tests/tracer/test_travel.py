"""Compiled objects that travel: pickle, copy, worker processes, fork."""

import copy
import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from tracer import grad, hessian, value_and_grad

ROOT = Path(__file__).parents[2]


def run(folder, text, name="program.py"):
    """What a script prints, as a user would start it."""
    script = folder / name
    script.write_text(textwrap.dedent(text))
    done = subprocess.run([sys.executable, str(script)], cwd=folder, capture_output=True, text=True, timeout=120,
                          env=os.environ | {"PYTHONPATH": str(ROOT), "TRACER_CACHE_DIR": ""})
    assert done.returncode == 0, done.stderr
    return done.stdout


WORKERS = """
    import multiprocessing, pickle, sys
    import numpy as np
    from tracer import grad, value_and_grad

    @value_and_grad
    def loss(x):
        return np.sum(np.tanh(x) * x)

    @grad
    def countdown(x, n=3):
        return np.sum(x) if n == 0 else x[0] * countdown.value(x, n - 1)  # refers to itself

    def method_of(k):
        return grad(lambda x: np.sum(np.tanh(x) * x) * k)

    def check(f, inputs, outputs):
        for x, found in zip(inputs, outputs):
            right = f(x)
            pairs = zip(right, found) if isinstance(right, tuple) else [(right, found)]
            assert all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in pairs)
"""


def test_spawned_workers(tmp_path):
    assert run(tmp_path, WORKERS + """
    if __name__ == "__main__":
        loss(np.ones(2))
        inputs = [np.linspace(-1, 1, n) for n in (2, 5, 7)]  # two shapes that no process has seen
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            check(loss, inputs, pool.map(loss, inputs))
            check(loss.value, inputs, pool.map(loss.value, inputs))
            check(countdown, inputs, pool.map(countdown, inputs))
            check(method_of(3.0), inputs, pool.map(method_of(3.0), inputs))
            tables = [np.linspace(-1, 1, 6 * n).reshape(6, n) for n in (2, 4)]
            for f in (loss.batch, method_of(3.0).batch):
                check(f, tables, pool.map(f, tables))
        print("fine")
    """) == "fine\n"


def test_joblib(tmp_path):
    pytest.importorskip("joblib")
    assert run(tmp_path, WORKERS + """
    if __name__ == "__main__":
        from joblib import Parallel, delayed
        inputs = [np.linspace(-1, 1, n) for n in (2, 5, 7)]
        assert pickle.loads(pickle.dumps(loss)) is loss
        for f in (loss, loss.value, method_of(2.0), grad(lambda x: np.prod(x))):
            check(f, inputs, Parallel(2)(delayed(f)(x) for x in inputs))
        tables = [np.linspace(-1, 1, 6 * n).reshape(6, n) for n in (2, 4)]
        check(loss.batch, tables, Parallel(2)(delayed(loss.batch)(x) for x in tables))
        print("fine")
    """) == "fine\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_children_of_a_process_that_is_compiling(tmp_path):
    assert run(tmp_path, """
        import os, threading, time
        import numpy as np
        from tracer import grad, jvp

        stopped = False
        def compile_on():
            n = 1
            while not stopped:
                n += 1
                k = float(n)
                jvp(lambda x: x * k, (2.0,), (1.0,))
                grad(lambda x: np.sum(x ** n))(np.ones(3))
        thread = threading.Thread(target=compile_on)
        thread.start()
        for _ in range(8):
            child = os.fork()
            if child == 0:
                fresh = grad(lambda x: np.sum(x * x))(np.ones(4)).sum() == 8 and jvp(np.sin, (0.0,), (1.0,))[1] == 1
                os._exit(0 if fresh else 1)
            for _ in range(3000):
                done, status = os.waitpid(child, os.WNOHANG)
                if done:
                    break
                time.sleep(0.01)
            else:
                os.kill(child, 9)
                status = "hangs"
            assert status == 0, status
        stopped = True
        thread.join()
        print("fine")
    """) == "fine\n"


def module_level(x):
    return np.sum(np.sin(x))


module_gradient = grad(module_level)


class Model:
    def __init__(self, k):
        self.k = k

    @grad
    def energy(self, x):
        return self.k * np.sum(x * x)


def test_options_travel():
    f = hessian(module_level, simplify="fast", cache=False)
    again = pickle.loads(pickle.dumps(f))
    assert again._program.settings == f._program.settings and again._program.transform == f._program.transform
    x = np.ones(3)
    assert again(x).tobytes() == f(x).tobytes()


def test_attributes_and_bound_methods_travel():
    x = np.array([1.0, 2.0])
    for made in (module_gradient, grad(module_level)):
        assert pickle.loads(pickle.dumps(made.value))(x) == made.value(x)
        assert pickle.loads(pickle.dumps(made.value_and_grad))(x)[1].tolist() == made(x).tolist()
    assert pickle.loads(pickle.dumps(Model(3.0).energy))(x).tolist() == [6.0, 12.0]


def test_copies_are_the_object_itself():
    f = value_and_grad(lambda x: np.sum(x))
    assert copy.copy(f) is f and copy.deepcopy({"f": [f]})["f"][0] is f
    assert copy.deepcopy(f.value) is f.value


def test_cloudpickle_of_closures():
    cloudpickle = pytest.importorskip("cloudpickle")
    k = 3.0
    f = grad(lambda x: np.sum(x * x) * k)
    data = cloudpickle.dumps({"f": f})
    done = subprocess.run([sys.executable, "-c", "import sys, pickle, numpy as np\n"
                           "f = pickle.loads(sys.stdin.buffer.read())['f']\nprint(f(np.ones(2)).tolist(), f(np.ones(3)).tolist())"],
                          input=data, capture_output=True, cwd=ROOT, check=True)
    assert done.stdout.decode() == "[6.0, 6.0] [6.0, 6.0, 6.0]\n"
