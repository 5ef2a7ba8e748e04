"""What a factor of a dataset is: a class, a number or an angle, and whether it is content or style."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("category", "number", "angle")
ROLES = ("content", "style")


@dataclass(frozen=True, kw_only=True)
class Factor:
    """One table `[factor.NAME]` of a declaration.

    `kind`: "category", "number", or "angle" (in degrees, read as cosine and sine). `role`: "content", what stays when a view of
    the thing changes, or "style", what a view may change. `within`: its values differ between the splits (an instance), so
    that it can only be read on rows of train that are held out. `typical`: of a pose, the values in which objects are usually
    seen, in the column's own numbers; the factor that has them is the pose of pose-robustness.
    """

    kind: str
    role: str
    within: bool = False
    typical: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for value, known, what in ((self.kind, KINDS, "kind"), (self.role, ROLES, "role")):
            if value not in known:
                raise ValueError(f"{what} is {value!r}; expected one of {', '.join(known)}.")
        if self.within and self.kind != "category":
            raise ValueError(f"within is for a category; the kind is {self.kind!r}.")
        if self.typical and self.kind == "category":
            raise ValueError("typical is for a number or an angle; the kind is 'category'.")
