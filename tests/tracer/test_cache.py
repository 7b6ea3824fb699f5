"""What is compiled outlives the process: hits give the same bits and skip derivation, simplification and code generation."""

import json
import os
import random
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

import codegen.kernel
from codegen.cache.store import Entry, open_store
from tracer import grad, hessian, hvp, jacobian, jit, jvp, value_and_grad, vjp
from tracer.__main__ import main

ROOT = Path(__file__).parents[2]
DATA = np.linspace(0.1, 2, 24).reshape(6, 4)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    tmp_path.chmod(0o700)
    monkeypatch.setenv("TRACER_CACHE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def forget(monkeypatch):
    """Machine code of this process is forgotten, as in a new one."""
    return lambda: monkeypatch.setattr(codegen.kernel, "_codes", codegen.kernel._Codes())


def wave(x):
    return np.sum(np.sin(x) * np.exp(-x))


def regression(w):
    return np.mean((DATA @ w - np.arange(6.)) ** 2) + np.sum(np.where(w > 0, w, -w))


def assembled(x):
    # The derivative scatters into an array that the simplifier made, and reads one by a captured index array.
    return np.sum(x[np.array([0, 2, 2, 1])] * np.array([1., 2., 3., 4.])) + np.linalg.det(np.outer(x, x) + np.eye(3)) + np.mean(x[::-1] * x)


def tree(parameters, n):
    return np.sum(parameters["w"] ** n) * parameters["b"], {"norm": np.sqrt(np.sum(parameters["w"] ** 2))}


X = np.array([0.3, -1.2, 2.5])
CASES = {
    "grad": lambda: grad(wave)(X),
    "float32": lambda: grad(wave)(X.astype(np.float32)),
    "strided": lambda: grad(wave)(np.repeat(X, 2)[::2]),
    "scalar": lambda: value_and_grad(lambda x: x * x + np.sin(x))(1.5),
    "captured arrays": lambda: value_and_grad(regression)(np.array([0.5, -0.2, 0.1, 0.9])),
    "arrays of our own": lambda: value_and_grad(assembled)(X),
    "jit": lambda: jit(lambda x: (np.cumsum(x), np.max(x)))(X),
    "tree": lambda: grad(tree, has_aux=True)({"w": X, "b": 2.0}, 3),
    "fast": lambda: grad(wave, simplify="fast")(X),
    "unsimplified": lambda: grad(wave, simplify=False)(X),
    "jacobian": lambda: jacobian(lambda x: np.outer(x, x) @ x)(X),
    "jacobian of several": lambda: jacobian(lambda x, y: (x * y, np.sum(x)), argnums=(0, 1))(X, X + 1),
    "hessian": lambda: hessian(wave)(X),
    "jvp": lambda: jvp(lambda x: np.exp(x) * x, (X,), (np.ones(3),)),
    "vjp": lambda: vjp(lambda x: np.exp(x) * x, X)[1](np.ones(3)),
    "hvp": lambda: hvp(wave, (X,), (np.ones(3),)),
    "higher": lambda: grad(lambda x: np.sum(grad(wave)(x) ** 2))(X),
    "special functions": lambda: grad(lambda x: np.sum(__import__("scipy.special").special.erf(x)))(X),
    "no dependence": lambda: grad(lambda x: 3.0)(X),
    "batch in lanes": lambda: value_and_grad(regression).batch(np.arange(20.).reshape(5, 4) - 9),
    "batch in columns": lambda: grad(wave).batch(np.asfortranarray(np.arange(30.).reshape(10, 3))),
    "batch, one argument shared": lambda: value_and_grad(lambda x, y: np.sum(x * np.sin(y))).batch(np.eye(3), X, in_axes=(0, None)),
    "batch sample by sample": lambda: value_and_grad(lambda x: np.sum(np.tanh(x @ x) * np.arange(40.))).batch(np.ones((3, 40, 40))),
    "sum of a batch of trees": lambda: grad(tree, has_aux=True).batch({"w": np.ones((9, 3)), "b": np.arange(9.)}, 3, reduce="sum"),
}


def bits(value):
    if isinstance(value, dict):
        return {key: bits(part) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        return [bits(part) for part in value]
    return type(value), getattr(value, "dtype", None), np.asarray(value).tobytes(), np.shape(value)


@pytest.mark.parametrize("name", CASES)
def test_a_hit_gives_the_same_bits(folder, forget, name, monkeypatch):
    forget()
    made = CASES[name]()
    assert {path.name.partition("-")[0] for path in folder.iterdir()} >= {"kernel", "batch" if "batch" in name else "specialisation"}
    forget()
    for stage in ("simplify", "compile_graph", "compile_batch"):
        monkeypatch.setattr(f"tracer.compiling.{stage}", None)  # a hit does without
    monkeypatch.setattr("tracer.graphs.expanded", None)
    from tracer.api import _products
    _products.clear()  # jvp and its kin are kept by function
    assert bits(CASES[name]()) == bits(made)


def test_what_a_hit_shows(folder, forget):
    first = value_and_grad(regression)
    first(np.ones(4))
    forget()
    second = value_and_grad(regression)
    second(np.ones(4))
    assert [g.explain().records[0].kernel.origin for g in (first, second)] == ["compiled", "loaded"]
    assert first.explain().compiles == 1 and second.explain().compiles == 0
    for name in ("graph", "gradient_graph", "source", "expr", "gradient_expr"):
        assert str(getattr(first, name)) == str(getattr(second, name)), name
    before, after = (g.explain().records[0] for g in (first, second))
    assert before.nodes == after.nodes and str(before.report) == str(after.report)
    assert f"kernel:   loaded ({after.kernel.key[:12]})" in str(second.explain())
    assert list(after.seconds) == ["trace", "look up"]


def test_what_a_hit_of_a_batch_shows(folder, forget):
    first = value_and_grad(wave)
    first.batch(np.ones((9, 3)))
    forget()
    again = value_and_grad(wave)
    again.batch(np.zeros((20, 3)))
    assert [made.explain().compiles for made in (first, again)] == [1, 0] and again.explain().records[0].kernel.origin == "loaded"
    assert [made.explain().records[0].nodes for made in (first, again)] == [first.explain().records[0].nodes] * 2
    assert again.explain().records[0].batch == first.explain().records[0].batch
    assert str(again.gradient_graph) == str(first.gradient_graph)
    # Which arguments differ from sample to sample is part of the key.
    product = [value_and_grad(lambda x, y: np.sum(x * y)) for _ in range(2)]
    y = np.arange(4.).reshape(2, 2)
    assert product[0].batch(np.eye(2), y)[0].tolist() == [0.0, 3.0]
    assert product[1].batch(np.eye(2), y, in_axes=(0, None))[0].tolist() == [2.0, 4.0] and product[1].explain().compiles == 1


def test_threads_look_at_a_hit(folder, forget):
    grad(wave)(X)
    forget()
    g = grad(wave)
    g(X)
    start, texts = threading.Barrier(8), []

    def look():
        start.wait()
        texts.append((str(g.gradient_graph), g.source))
    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(texts) == 8 and len(set(texts)) == 1


def test_a_derivative_that_is_looked_at_after_a_hit_can_be_differentiated(folder, forget):
    grad(wave)(X)
    forget()
    g = grad(wave)
    g(X)
    assert "cos" in str(g.gradient_graph)
    assert bits(grad(lambda x: np.sum(g(x)))(X)) == bits(grad(lambda x: np.sum(grad(wave)(x)))(X))


def test_another_function_is_a_miss(folder, forget):
    def made(k, data):
        forget()
        g = grad(lambda x: np.sum(data * x) * k)
        result = g(np.ones(2))
        return result.tolist(), "schedule" in g.explain().records[0].seconds

    for k, data, right in ((2., [1., 2.], [2., 4.]), (3., [1., 2.], [3., 6.]), (3., [1., 5.], [3., 15.]), (3., [1, 5], [3., 15.])):
        assert made(k, np.array(data)) == (right, True)
        assert made(k, np.array(data)) == (right, False)


def test_numbers_that_are_written_alike_are_not_taken_for_each_other(folder, forget):
    for value in (0.0, -0.0, 1e-300, np.nextafter(0.1, 1), 0.1, 1, True, np.float32(0.1)):
        forget()
        plain, cached = (grad(lambda x: np.sum(np.arctan2(x * value, -x)), cache=chosen)(np.ones(3)) for chosen in (False, True))
        assert bits(plain) == bits(cached)


def test_options_are_part_of_the_key(folder, forget, monkeypatch):
    for level in ("safe", "fast", False):
        grad(wave, simplify=level)(X)
    assert len(list(folder.glob("specialisation-*"))) == 3
    monkeypatch.setenv("TRACER_CHECKED", "" if os.environ.get("TRACER_CHECKED") else "1")
    grad(wave)(X)
    grad(wave)(np.repeat(X, 2)[::2])
    assert len(list(folder.glob("specialisation-*"))) == 5


def test_code_that_this_process_had_already_is_kept_too(folder, forget):
    grad(wave, cache=False)(X)
    assert not list(folder.glob("kernel-*"))
    grad(wave)(X)
    forget()
    g = grad(wave)
    g(X)
    assert g.explain().records[0].kernel.origin == "loaded"


def test_other_versions_are_misses(folder, forget, monkeypatch):
    grad(wave)(X)
    count = len(list(folder.iterdir()))
    forget()
    for module in ("codegen.kernel", "tracer.kept"):
        monkeypatch.setattr(f"{module}.fingerprint", lambda: "another version")
    g = grad(wave)
    g(X)
    assert g.explain().records[0].kernel.origin == "compiled" and len(list(folder.iterdir())) == count + 2


def test_without_a_cache(folder, forget, monkeypatch):
    def kinds():
        return {path.name.partition("-")[0] for path in folder.iterdir()} - {"entry"}

    grad(wave, cache=False)(X)
    assert kinds() == set()
    g = value_and_grad(cache=False)(wave)
    g(X), g.value(X)
    assert kinds() == set()
    grad(wave)(X)
    assert kinds() == {"kernel", "specialisation"}
    forget()
    h = grad(wave, cache=False)
    h(X)
    assert h.explain().records[0].kernel.origin == "compiled"
    monkeypatch.setenv("TRACER_CACHE_DIR", "")
    h = grad(wave)
    assert h(X).shape == (3,)


def test_damaged_entries_are_made_again(folder, forget):
    right = bits(grad(wave)(X))
    whole = {path: path.read_bytes() for path in folder.iterdir()}
    chance = random.Random(1)
    for path, data in whole.items():
        for damaged in (b"", data[:-1], data[: len(data) // 2], bytes(len(data)), data[:-3] + bytes([data[-3] ^ 1 << chance.randrange(8)]) + data[-2:]):
            path.write_bytes(damaged)
            forget()
            codegen.entry.state._python_code.cache_clear() if path.name.startswith("entry") else None
            assert bits(grad(wave)(X)) == right
            assert path.read_bytes() == data, path


def test_damaged_entries_of_batches_are_made_again(folder, forget):
    batch = CASES["batch in lanes"]
    right, chance = bits(batch()), random.Random(2)
    path, = [path for path in folder.iterdir() if path.name.startswith("batch-")]
    whole = path.read_bytes()
    for _ in range(40):
        damaged, place = bytearray(whole), chance.randrange(len(whole))
        damaged[place] ^= 1 << chance.randrange(8)
        path.write_bytes(chance.choice([damaged, whole[:place], whole[:place] + bytes(len(whole) - place)]))
        assert bits(batch()) == right
        assert path.read_bytes() == whole


def test_machine_code_without_what_it_imports_is_a_miss(folder, forget):
    forget()
    right = bits(grad(wave)(X))
    store = open_store()
    kernel, = folder.glob("kernel-*")
    key = kernel.name.removeprefix("kernel-").removesuffix(".entry")
    entry = store.get("kernel", key)
    for absent in ("no_such_function", "tracegrad.scipy.linalg.cython_blas.no_such", "tracegrad.no_such_module.f"):
        store.put("kernel", key, Entry({"imports": [absent]}, entry.blocks))
        forget()
        g = grad(wave)
        assert bits(g(X)) == right and g.explain().records[0].kernel.origin == "compiled"
        assert store.get("kernel", key) == entry


def test_a_broken_disk_is_no_error(folder, forget, monkeypatch):
    def broken(*_, **__):
        raise OSError(5, "Input/output error")
    right = bits(grad(wave, cache=False)(X))
    for name in ("open", "replace", "utime", "scandir"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, broken)
            forget()
            assert bits(grad(wave)(X)) == right


def test_the_command_shows_and_clears(folder, capsys):
    grad(wave)(X)
    assert main(["cache"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == str(folder) and shown[1].endswith(" of 512.0 MiB")
    assert {line.split()[0]: line.split()[1] for line in shown[2:]}["kernel"] == "1"
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().out.endswith(f"entries removed from {folder}\n") and list(folder.iterdir()) == []
    os.environ["TRACER_CACHE_DIR"] = ""
    assert main(["cache"]) == 1 and capsys.readouterr().out == "no cache: TRACER_CACHE_DIR is empty\n"


# Other processes ----------------------------------------------------------------------------------------------------------------

PROGRAM = """
import json, sys
import numpy as np
from tracer import value_and_grad

data = np.linspace(0, 1, 12).reshape(3, 4)

def f(x):
    return np.sum(np.tanh(data @ x)) + np.sum(np.log1p(x * x)) * np.prod(x)

g = value_and_grad(f)
value, gradient = g(np.array([0.5, 1.5, -0.25, 2.0]))
heavy = ("sympy", "codegen.simplify", "codegen.schedule", "codegen.llvm.emit")
print(json.dumps([g.explain().records[0].kernel.origin, value.hex(), gradient.tobytes().hex(), [name for name in heavy if name in sys.modules]]))
"""


def python(*arguments, text=None, **environment):
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, input=text, env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_next_process_compiles_nothing(folder, tmp_path_factory):
    """Whether the function is in a file, comes from standard input, or was passed to exec."""
    script = tmp_path_factory.mktemp("scripts") / "program.py"
    script.write_text(PROGRAM)
    origin, value, gradient, heavy = python(str(script), PYTHONPATH=str(ROOT))
    assert origin == "compiled" and "codegen.schedule" in heavy
    for found in (python(str(script), PYTHONPATH=str(ROOT)), python("-", text=PROGRAM), python("-c", f"exec({PROGRAM!r})")):
        assert found == ["loaded", value, gradient, []]


def test_two_processes_at_once(folder):
    started = [subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    found = [json.loads(process.communicate(timeout=60)[0]) for process in started]
    assert found[0][1:3] == found[1][1:3]
    assert not list(folder.glob("*.part"))
    assert python("-c", PROGRAM)[0] == "loaded"


def test_the_session_of_a_person_typing(folder):
    typed = "import code, sys\nlines = sys.stdin.read()\n" + textwrap.dedent("""
        console = code.InteractiveConsole()
        for line in lines.splitlines():
            console.push(line)
    """)
    lines = ("from tracer import grad\ng = grad(lambda x: x**3 + x)\nresult = g(2.0)\n"
             "import json\nprint(json.dumps([g.explain().records[0].kernel.origin, result]))\n")
    assert [python("-c", typed, text=lines) for _ in range(2)] == [["compiled", 13.0], ["loaded", 13.0]]
