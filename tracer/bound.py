"""A compiled object as a method: it and its siblings called with the instance in front."""

from __future__ import annotations

from codegen.entry import EntryDispatcher


class BoundCompiled:
    """What ``instance.method`` is when the method is a compiled object."""

    def __init__(self, function: EntryDispatcher, instance):
        self.__func__ = function
        self.__self__ = instance

    # Where `help` looks; everything else is found on the function.
    __doc__ = property(lambda self: self.__func__.__doc__)

    def __call__(self, *args, **kwargs):
        return self.__func__(self.__self__, *args, **kwargs)

    def lower(self, *args, **kwargs):
        return self.__func__.lower(self.__self__, *args, **kwargs)

    def batch(self, *args, **kwargs):
        return self.__func__.batch(self.__self__, *args, **kwargs)

    def specialize(self, *args, **kwargs) -> None:
        self.__func__.specialize(self.__self__, *args, **kwargs)

    def __getattr__(self, name: str):
        found = getattr(self.__func__, name)
        return BoundCompiled(found, self.__self__) if isinstance(found, EntryDispatcher) else found

    def __eq__(self, other):
        return isinstance(other, BoundCompiled) and self.__func__ is other.__func__ and self.__self__ is other.__self__

    def __hash__(self):
        return hash((id(self.__func__), id(self.__self__)))

    def __reduce__(self):
        return BoundCompiled, (self.__func__, self.__self__)

    def __repr__(self) -> str:
        return f"<bound {self.__func__!r} of {self.__self__!r}>"
