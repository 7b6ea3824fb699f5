"""Generated code of calls with trees: unrolled tests, unpacking, the call of the flat entry, and the result put together.

One function per spec. It is text, registered in ``linecache``, so that tracebacks and pdb show it. What it does not recognise
it hands to ``slow``, which describes the arguments anew.
"""

from __future__ import annotations

import inspect
import itertools
import keyword
import linecache
import weakref

from .context import GENERATED
from .static import MISSING, Identity, Static, static_key
from .trees import DATA, Branch, Instance, Spec, field_names, plain_keys, rebuild_dataclass

_numbers = itertools.count(1)
_LITERALS = (str, type(None))


class CallSource:
    """Writes the function that takes arguments of one spec."""

    def __init__(self):
        self.lines: list[str] = []
        self.leaves: list[str] = []
        self.namespace: dict = {"field_names": field_names, "rebuild_dataclass": rebuild_dataclass, "static_key": static_key, "MISSING": MISSING}
        self._count = 0

    def bind(self, value, prefix: str = "k") -> str:
        """A name in the generated function's globals for a value."""
        self._count += 1
        name = f"_{prefix}{self._count}"
        self.namespace[name] = value
        return name

    def fresh(self, count: int) -> list[str]:
        self._count += count
        return [f"_v{self._count - count + i + 1}" for i in range(count)]

    def require(self, condition: str) -> None:
        self.lines.append(f"        if not ({condition}): return _slow(arguments)")

    def take(self, spec: Spec, variable: str) -> None:
        """Test the value of a variable against a spec and name its leaves."""
        if spec is DATA:
            self.leaves.append(variable)
        elif isinstance(spec, Static):
            self._test_static(spec, variable)
        elif isinstance(spec, Branch):
            self._take_branch(spec, variable)
        else:
            self._take_instance(spec, variable)

    def _test_static(self, spec: Static, variable: str) -> None:
        value = spec.value
        if value is None or value is True or value is False:
            self.require(f"{variable} is {value!r}")
        elif isinstance(spec.key, Identity):
            self.require(f"{variable} is {self.bind(value)}")
        elif type(value) is str:
            self.require(f"type({variable}) is str and {variable} == {value!r}")
        else:
            self.require(f"static_key({variable}) == {self.bind(spec.key)}")

    def _take_branch(self, spec: Branch, variable: str) -> None:
        keys = plain_keys(spec)
        names = {"v": variable, "t": self.bind(spec.type, "t"), "k": self.bind(keys), "n": len(keys)}
        self.require(spec.kind.test.format(**names))
        if any(isinstance(key, Static) for key in spec.keys) and "{k}" in spec.kind.test:
            self.require(f"tuple(map(static_key, {variable})) == {self.bind(tuple(map(static_key, keys)))}")
        if keys:
            parts = self.fresh(len(keys))
            self.lines.append(f"        {', '.join(parts)}, = {spec.kind.take(keys).format(**names)}")
            for part, inner in zip(spec.parts, parts):
                self.take(part, inner)

    def _take_instance(self, spec: Instance, variable: str) -> None:
        self.require(f"type({variable}) is {self.bind(spec.type, 't')}")
        for name, part in zip(spec.keys, spec.parts):
            inner, = self.fresh(1)
            self.lines.append(f"        {inner} = getattr({variable}, {name!r}, MISSING)")
            self.take(part, inner)

    def make(self, spec: Spec, leaves) -> str:
        """The expression that builds a value of this spec from leaf expressions."""
        if spec is DATA:
            return next(leaves)
        if isinstance(spec, Static):
            return repr(spec.value) if isinstance(spec.value, _LITERALS) else self.bind(spec.value)
        parts = "".join(f"{self.make(part, leaves)}, " for part in spec.parts)
        keys = plain_keys(spec)
        return spec.kind.make(keys).format(parts=parts, t=self.bind(spec.type, "t"), k=self.bind(keys))


def parameter_list(signature: inspect.Signature, source: CallSource) -> tuple[str, str]:
    """A parameter list as in the signature, defaults bound by name, and the tuple of all parameters' values."""
    parts, seen_star, positional_only = [], False, False
    for parameter in signature.parameters.values():
        if positional_only and parameter.kind is not parameter.POSITIONAL_ONLY:
            parts.append("/")
        positional_only = parameter.kind is parameter.POSITIONAL_ONLY
        if parameter.kind is parameter.KEYWORD_ONLY and not seen_star:
            parts.append("*")
            seen_star = True
        seen_star |= parameter.kind is parameter.VAR_POSITIONAL
        star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        default = "" if parameter.default is parameter.empty else f"={source.bind(parameter.default, 'default')}"
        parts.append(f"{star}{parameter.name}{default}")
    if positional_only:
        parts.append("/")
    return ", ".join(parts), "(" + "".join(f"{name}, " for name in signature.parameters) + ")"


def with_out(signature: inspect.Signature) -> inspect.Signature:
    """The signature with ``out`` behind the arguments, by name alone where these are not plain."""
    parameters = list(signature.parameters.values())
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD if all(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters) else inspect.Parameter.KEYWORD_ONLY
    return signature.replace(parameters=[*parameters, inspect.Parameter("out", kind, default=None)])


def call_function(name: str, qualname: str, signature: inspect.Signature, slow, hidden=None, specs=None, entry=None, again=(), result=None,
                  takes_out=False, memory=None):
    """The function behind ``__call__``: all by itself for one spec, or handing everything to ``slow`` when there is none.

    ``hidden`` are values by name that come before the parameters, ``specs`` those of both, ``result`` that of what is returned. With
    ``takes_out`` there is a parameter more, for memory of the structure that ``memory`` tells; ``slow`` gets it behind the values.
    """
    hidden = hidden or {}
    source = CallSource()
    parameters, everything = parameter_list(with_out(signature) if takes_out else signature, source)
    if takes_out:
        everything = f"({''.join(f'{each}, ' for each in signature.parameters)}), out"
    source.namespace |= {"_slow": slow, "_entry": entry, "_again": again}
    if specs is None:
        body = [f"    return _slow({everything})"]
    else:
        source.lines += [f"        {each} = {source.bind(value)}" for each, value in hidden.items()]
        for parameter, spec in zip((*hidden, *signature.parameters), specs, strict=True):
            source.take(spec, parameter)
        leaves = ", ".join(source.leaves)
        calls = [f"_result = _entry({leaves})"]
        if takes_out:
            calls = _calls_with_out(source, leaves, memory)
        value = source.make(result, (f"_result[{i}]" for i in itertools.count()))
        tests = [line.replace("_slow(arguments)", f"_slow({everything})") for line in source.lines]
        body = [*(["    try:", *tests, "    except AttributeError:", f"        return _slow({everything})"] if tests else []),
                "    try:", *(f"        {line}" for line in calls), "    except _again:", f"        return _slow({everything})", f"    return {value}"]
    text = "\n".join([f"def {name}({parameters}):", *body, ""])
    return compiled_function(text, name, qualname, source.namespace)


def _calls_with_out(source: CallSource, leaves: str, memory) -> list[str]:
    """The lines that call the entry, where there may be memory for the results."""
    first, arguments = len(source.lines), len(source.leaves)
    source.lines.append("        if out is not None:")
    source.take(memory.spec, "out")
    source.lines[first + 1:] = [f"    {line}" for line in source.lines[first + 1:]]
    places = f"({''.join(f'{each}, ' for each in source.leaves[arguments:])})"
    source.lines.append(f"            _places = {places}")
    source.namespace |= {"_arrays": memory.arrays, "_check": memory.check}
    return ["if out is None:", f"    _result = _entry({leaves})", "else:", f"    _result = _entry({leaves}{', ' * bool(leaves)}_arrays(_places))",
            "    _check(_places, _result)"]


def stub_function(name: str, qualname: str, signature: inspect.Signature):
    """A function with these parameters that does nothing: it tells an entry what its arguments are called."""
    source = CallSource()
    parameters, _ = parameter_list(signature, source)
    return compiled_function(f"def {name}({parameters}):\n    raise NotImplementedError\n", name, qualname, source.namespace)


def signature_of_names(names) -> inspect.Signature:
    """Plain parameters of these names."""
    return inspect.Signature([inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names])


def identifier_of(name: str) -> str:
    """A name that can stand after ``def``."""
    last = name.rpartition(".")[2]
    return last if last.isidentifier() and not keyword.iskeyword(last) else "function"


def compiled_function(text: str, name: str, qualname: str, namespace: dict):
    """The function that a text defines, with the text registered so that tracebacks show it."""
    filename = f"{GENERATED}{qualname} {next(_numbers)}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    namespace = {**namespace, "__name__": __name__}
    exec(compile(text, filename, "exec"), namespace)
    function = namespace.pop(name)
    function.__qualname__ = qualname
    weakref.finalize(function, linecache.cache.pop, filename, None).atexit = False
    return function
