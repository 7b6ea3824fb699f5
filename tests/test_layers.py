"""The architecture: floors of files, imports that only go down, and a package that is complete."""

import ast
import functools
import graphlib
import importlib
import inspect
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

import codegen
import tracer

ROOT = Path(__file__).parents[1]

# Lowest first. A name stands for a file, or for all files of a package; each imports from floors below it and from its own.
FLOORS = """
tracer.errors
tracer.pickling
tracer.graph
tracer.ops
tracer.trace
tracer.rolling
tracer.derive
tracer.arms
tracer.eager
tracer.derivation
tracer.symbolic
tracer.settings
codegen.report
codegen.simplify
codegen.loops
codegen.verify
codegen.schedule
codegen.functions
codegen.source
codegen.llvm
codegen.cache
codegen.kernel
codegen.pipeline
codegen.batch
codegen.entry
tracer.bound
tracer.compiling
tracer.graphs
tracer.kept
tracer.history
tracer.lowered
tracer.chosen
tracer.transform
tracer.products
tracer.run
tracer.memory
tracer.plan
tracer.batch
tracer.tree_calls
tracer.compiled
tracer.api
tracer.control
tracer.eager_steps
tracer.evaluated
tracer.eager_run
tracer.kinds
tracer.comparison_text
tracer.comparison
tracer.__main__
""".split()

# Imported where they are used, because they are slow to import or need not be installed.
DELAYED = ("sympy", "cloudpickle", "tqdm")

# (file, import) -> why it is inside a function.
EXCEPTIONS = {
    ("tracer.lowered", "tracer.symbolic"): "imports SymPy, 0.3 s, for .expr and .gradient_expr alone",
    ("codegen.simplify.cones", "codegen.simplify.sympy_pass"): "imports SymPy, for a cone whose form is not known yet",
    ("tracer.graphs", "tracer.compiling"): "simplification and code generation: 0.1 s that a hit of the cache does without",
    ("tracer.batch.calls", "tracer.compiling"): "what calls of one sample, and hits of the cache, do without",
    ("tracer.graph.op", "tracer.ops"): "an operation is unpickled by its name in the table",
    ("tracer.eager.tangents", "tracer.eager.backward"): "a tangent is a derivative of a backward, and operations, which have tangents, stand below that",
    ("tracer.trace.functions", "difflib"): "for the text of one error",
}
# Programs that write a file of this package: `python -m ...`. Nothing imports them.
GENERATORS = ("tracer.ops.derive_partials", "codegen.simplify.generate_known")


class Import(NamedTuple):
    module: str
    is_delayed: bool      # inside a function
    is_for_types: bool    # under `if TYPE_CHECKING`


def module_files() -> dict[str, Path]:
    files = {}
    for package in ("tracer", "codegen"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


FILES = module_files()


def imports_of(name: str, text: str) -> list[Import]:
    """The modules that the text of a module imports; of ours the file that is meant."""
    package = name if name in FILES and FILES[name].name == "__init__.py" else name.rpartition(".")[0]
    found = []
    pending = [(ast.parse(text), False, False)]
    while pending:
        node, is_delayed, is_for_types = pending.pop()
        is_delayed |= isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        is_for_types |= isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        if isinstance(node, ast.Import):
            found += [Import(alias.name, is_delayed, is_for_types) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[:len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            named = [f"{base}.{alias.name}" for alias in node.names]
            found += [Import(each if each in FILES else base, is_delayed, is_for_types) for each in named]
        pending += [(child, is_delayed, is_for_types) for child in ast.iter_child_nodes(node)]
    return found


@functools.cache
def imports() -> dict[str, list[Import]]:
    return {name: imports_of(name, path.read_text()) for name, path in FILES.items()}


def floor_of(name: str) -> int:
    return next(k for k, floor in enumerate(FLOORS) if name == floor or name.startswith(f"{floor}."))


def upward(name: str, found: list[Import]) -> list[str]:
    """The imports that do not go down."""
    ours = [each.module for each in found if each.module in FILES and not each.is_for_types and (name, each.module) not in EXCEPTIONS]
    return [module for module in ours if module in ("tracer", "codegen") or floor_of(module) > floor_of(name)]


def delayed(name: str, found: list[Import]) -> list[str]:
    """The imports inside functions that nothing excuses."""
    return [each.module for each in found if each.is_delayed and each.module.partition(".")[0] not in DELAYED and (name, each.module) not in EXCEPTIONS]


def test_every_file_stands_on_a_floor():
    placed = [name for name in FILES if name not in ("tracer", "codegen")]
    assert [name for name in placed if not any(name == floor or name.startswith(f"{floor}.") for floor in FLOORS)] == []
    assert [floor for floor in FLOORS if floor not in FILES] == []


@pytest.mark.parametrize("name", [name for name in FILES if name not in ("tracer", "codegen")])
def test_imports_go_down(name):
    assert upward(name, imports()[name]) == []


@pytest.mark.parametrize("name", [name for name in FILES if name not in GENERATORS])
def test_imports_stand_at_the_top(name):
    assert delayed(name, imports()[name]) == []


def test_no_cycles():
    depends = {name: {each.module for each in found if each.module in FILES and each.module != name and not each.is_delayed and not each.is_for_types}
               for name, found in imports().items()}
    graphlib.TopologicalSorter(depends).prepare()  # raises CycleError


def test_the_check_finds_what_it_is_for():
    assert upward("tracer.graph.node", imports_of("tracer.graph.node", "from ..trace.value import Traced")) == ["tracer.trace.value"]
    assert upward("tracer.graph.node", imports_of("tracer.graph.node", "from .types import ArrayType\nfrom ..errors import ShapeError")) == []
    assert upward("tracer.derive.reverse", imports_of("tracer.derive.reverse", "def f():\n    from codegen import loops")) == ["codegen.loops"]
    assert upward("tracer.graph.node", imports_of("tracer.graph.node", "from .. import grad")) == ["tracer"]
    assert delayed("tracer.graph.node", imports_of("tracer.graph.node", "def f():\n    import json")) == ["json"]
    assert delayed("tracer.graph.node", imports_of("tracer.graph.node", "def f():\n    import sympy.printing\nimport json")) == []


@pytest.mark.parametrize("place", EXCEPTIONS, ids=" ".join)
def test_every_exception_is_in_use(place):
    name, module = place
    assert any(each.module == module and each.is_delayed for each in imports()[name])


def test_nothing_imports_a_generator():
    assert [name for name in FILES if any(each.module in GENERATORS for each in imports()[name])] == []


# Packages ------------------------------------------------------------------------------------------------------------------------

def test_codegen_imports_nothing():
    assert imports()["codegen"] == []


def test_tracer_imports_nothing_of_its_own_until_asked():
    code = "import sys, tracer; print(sorted(m for m in sys.modules if m.startswith(('tracer.', 'codegen', 'numba', 'numpy', 'sympy'))))"
    assert run(code) == "[]"


@pytest.mark.parametrize("name", sorted(FILES))
def test_any_module_can_be_imported_first(name):
    if name in ("tracer", "codegen", "tracer.errors", "tracer.graph.node", "tracer.api", "codegen.pipeline", "codegen.entry", "codegen.simplify"):
        assert run(f"import {name}; print('imported')") == "imported"
    importlib.import_module(name)


def test_sympy_is_not_imported_for_a_gradient():
    code = "import sys, numpy as np; from tracer import grad; grad(lambda x: np.sum(x * x))(np.ones(3)); print('sympy' in sys.modules)"
    assert run(code) == "False"


def run(code: str) -> str:
    """What a fresh Python prints."""
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


def test_public_names_are_sorted_complete_and_documented():
    assert tracer.__all__ == sorted(tracer.__all__)
    offered = {name for module in ("tracer.api", "tracer.control", "tracer.errors") for name, value in vars(importlib.import_module(module)).items()
               if not name.startswith("_") and (getattr(value, "__module__", None) or "").startswith(module) and callable(value)}
    assert set(tracer.__all__) == offered - {"copied"} | {"compare"}
    for name in tracer.__all__:
        assert inspect.getdoc(getattr(tracer, name)), name


def test_public_signatures_are_annotated():
    for name in ("grad", "hessian", "hvp", "jacobian", "jit", "jvp", "stop_gradient", "value_and_grad", "vjp"):
        signature = inspect.signature(getattr(tracer, name))
        assert signature.return_annotation is not signature.empty
        assert all(p.annotation is not p.empty for p in signature.parameters.values()), name


@pytest.mark.parametrize("name", [name for name in FILES if not name.rpartition(".")[2].startswith("_")])
def test_every_module_and_public_name_has_a_docstring(name):
    tree = ast.parse(FILES[name].read_text())
    assert ast.get_docstring(tree), f"{name} has none"
    public = [node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")]
    assert [node.name for node in public if not ast.get_docstring(node)] == []


def test_the_wheel_has_all_packages():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    folders = {".".join(path.parent.relative_to(ROOT).parts) for package in ("tracer", "codegen") for path in (ROOT / package).rglob("*.py")}
    assert set(project["tool"]["setuptools"]["packages"]) == folders
    assert (ROOT / "tracer" / "py.typed").exists() and "py.typed" in project["tool"]["setuptools"]["package-data"]["tracer"]
    modules = {each.name for package in (tracer, codegen) for each in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")}
    assert modules | {"tracer", "codegen"} == set(FILES)
