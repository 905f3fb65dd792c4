"""What stands in a config, section by section: names, types, defaults, bounds and meanings.

These classes are the only place where the parameters of core are declared.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from clipig_core.extension.kinds import KINDS, Stands
from clipig_core.language.nodes import Node
from clipig_core.language.params import File, Floats3, Ints2, Param
from clipig_core.language.schedule import FrameTime
from clipig_core.language.types import Lists, Pattern, Type

Groups = Mapping[str, tuple[str, ...]]
Start = Annotated[FrameTime, Param("First moment: an epoch (int), a ratio of the run (float) or a percentage.", min=0)]
End = Annotated[FrameTime, Param("Last moment: an epoch (int), a ratio of the run (float) or a percentage.", min=0)]
Active = Annotated[bool, Param("false switches this part off.")]
Weight = Annotated[float, Param("Factor of the loss; negative weights push away.")]
ALWAYS = (FrameTime(0.0), FrameTime(1.0))


Device = Pattern("auto, cpu, cuda, cuda:1 or mps", r"auto|cpu|mps|cuda(?::\d+)?")


def split_output(output: str) -> tuple[Path, str]:
    """The directory of an output, and the name without ending; empty if it is only a directory.

    Raises:
        ValueError: it is neither a directory nor a `.png` filename.
    """
    path = os.path.expanduser(output)  # noqa: PTH111 - Path drops the slash at the end
    if path.endswith(("/", os.sep)) or os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises if it is too long
        return Path(path), ""
    if not path.lower().endswith(".png") or Path(path).name.lower() == ".png":
        raise ValueError(f"'{output}' is neither a directory (ending with '/') nor a '.png' file")
    return Path(path).parent, Path(path).stem


class OutputPath(Type):
    """Where the picture goes. A config may say so for places below the current directory, an option for others, too."""

    name = "a directory, ending with '/', or a '.png' file"

    def read(self, node: Node) -> str:
        output = str(super().read(node))
        folder, _ = split_output(output)
        if not node.place.source.startswith("--") and not _below_here(folder):
            raise ValueError(f"'{output}' is outside of the current directory; to write there, use '-o {output}'")
        return output


def _below_here(folder: Path) -> bool:
    """Whether a folder is the current directory, or inside of it."""
    try:
        return folder.resolve().is_relative_to(Path.cwd())
    except (OSError, RuntimeError, ValueError):  # links in a circle, or no path at all, which is found out later
        return True


class Pixels(Lists):
    """A tensor, as lists, or as a file of numpy's."""

    name = "nested list, or path of a '.npy' file"

    def read(self, node: Node) -> object:
        if not isinstance(node.value, str):
            return super().read(node)
        if not node.value.endswith(".npy") or "://" in node.value:
            raise ValueError(f"'{node.value}' is neither a list nor a '.npy' file")
        return File.locate(node.value, node.place.source)

    def source(self, item: object, node: Node) -> object:
        return str(item) if isinstance(item, File) else node.plain_value()


class Settings:
    """The run as a whole."""

    VARIABLES: ClassVar[Groups] = {
        "resolution": ("time",),
        "learnrate": ("time", "resolution"),
        "learnrate_scale": ("time", "resolution"),
    }
    verbose: Annotated[int, Param("0 errors only, 1 progress, 2 statistics.", min=0, max=2)] = 2
    output: Annotated[str, OutputPath(), Param("A directory, ending with '/', or a filename ending with '.png'.")] = (
        "./"
    )
    snapshot_interval: Annotated[
        int | float, Param("Saves the picture every so many epochs (int) or seconds (float); 0 never.", min=0)
    ] = 20.0
    epochs: Annotated[int, Param("Number of optimisation steps.", min=1, max=100_000_000)] = 300
    start_epoch: Annotated[int, Param("Number of epochs to skip at the beginning.", min=0)] = 0
    resolution: Annotated[Ints2, Param("Width and height of the picture in pixels.", min=1, max=16384)] = (224, 224)
    interpolation: Annotated[
        Literal["cubic", "linear", "nearest"], Param("Filter for resizing the picture when its resolution changes.")
    ] = "cubic"
    device: Annotated[str, Device, Param("auto, cpu, cuda, cuda:1, mps; auto takes a GPU if there is one.")] = "auto"
    precision: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"],
        Param(
            "Number format of the model's matrix products; auto is bfloat16 where the hardware multiplies it natively."
        ),
    ] = "auto"
    chunk: Annotated[
        int | Literal["auto"],
        Param("Views that go through the model at once; auto takes what fits into memory.", min=1),
    ] = "auto"
    compile: Annotated[bool, Param("Compile the model with torch.compile: a slow start, then faster epochs.")] = False
    seed: Annotated[
        int | None, Param("Seed of all randomness; drawn and recorded if not given.", min=0, max=2**63 - 1)
    ] = None
    learnrate: Annotated[float, Param("Step size, as a factor of the optimizer's own.", min=0)] = 1.0
    learnrate_scale: Annotated[
        float, Param("Second factor of the step size, for schedules such as '1 - t'.", min=0)
    ] = 1.0
    metadata: Annotated[bool, Param("Whether the picture holds its config; the file beside it always does.")] = True
    average: Annotated[
        FrameTime,
        Param(
            "The result is the mean of the pictures of the last epochs: a number of them (int), or a part of the run "
            "(float or percentage).",
            min=0,
        ),
    ] = FrameTime(0)


class Init:
    """The first pixels."""

    resolution: Annotated[
        Ints2 | None, Param("Make noise or image at this size first, then resize it.", min=1, max=16384)
    ] = None
    mean: Annotated[Floats3, Param("Mean of the noise, or offset of the image.")] = (0.5, 0.5, 0.5)
    std: Annotated[Floats3, Param("Standard deviation of the noise, or factor of the image.", min=0)] = (0.1, 0.1, 0.1)
    image: Annotated[File | None, Param("Image to start from, scaled to cover the resolution and centre-cropped.")] = (
        None
    )
    image_tensor: Annotated[
        list | None,  # type: ignore[type-arg]
        Pixels(),
        Param("Pixels [3, H, W] in [0, 1] to start from, as nested lists, or a '.npy' file with floats."),
    ] = None


class Target:
    """One thing the picture should be: views of it, wanted features and constraints."""

    VARIABLES: ClassVar[Groups] = {
        "weight": ("time", "resolution", "learnrate", "target constraint"),
        "batch_size": ("time", "resolution", "learnrate"),
    }
    active: Active = True
    name: Annotated[str, Param("Name in the statistics.")] = "target"
    start: Start = ALWAYS[0]
    end: End = ALWAYS[1]
    weight: Weight = 1.0
    batch_size: Annotated[int, Param("Number of views per epoch.", min=1, max=1_000_000)] = 1
    select: Annotated[
        Literal["all", "best", "worst", "mix"],
        Param("Which features count: all, the most or least similar of each view, or their weighted mean."),
    ] = "all"
    feature_scale: Annotated[
        Literal["equal", "fair"],
        Param("fair scales similarities so that all features start with the same one on the first image."),
    ] = "equal"
    gradient: Annotated[
        Literal["plain", "normalized"],
        Param(
            "normalized divides the gradient with respect to the picture by its norm before the target's weight: "
            "then a weight means the same for every word, model and canvas."
        ),
    ] = "plain"
    color: Annotated[
        float,
        Param("How much this target changes colours: 0 only brightness, 1 both alike.", min=0),
    ] = 1.0


class Feature:
    """A wanted feature; what it is comes from a feature source such as `text`."""

    VARIABLES: ClassVar[Groups] = dict.fromkeys(
        ("weight", "scale"), ("time", "resolution", "learnrate", "target feature")
    )
    start: Start = ALWAYS[0]
    end: End = ALWAYS[1]
    weight: Weight = 1.0
    scale: Annotated[float, Param("Factor of the similarity that is compared by `select`.")] = 1.0


class Constraint:
    """What core adds to the parameters of every constraint."""

    VARIABLES: ClassVar[Groups] = dict.fromkeys(
        ("weight", "start", "end"), ("time", "resolution", "learnrate", "target constraint")
    )
    weight: Weight = 1.0
    start: Start = ALWAYS[0]
    end: End = ALWAYS[1]


class Outputs:
    """What core adds to the parameters of every output."""

    VARIABLES: ClassVar[Groups] = {"when": ("time", "resolution", "learnrate", "run")}
    when: Annotated[bool, Param("Whether an epoch is shown to it; an expression chooses moments.")] = True
    name: Annotated[
        str, Param("Stands in the names of its files, behind that of the picture: 'slow' makes demo-slow of demo.")
    ] = ""


class Finish:
    """One step after the last epoch: transforms that change what is saved."""

    active: Active = True


class Stage:
    """One step of post-processing: transforms that change the pixels directly, before each epoch."""

    active: Active = True
    start: Start = ALWAYS[0]
    end: End = ALWAYS[1]


CHOICES = tuple(kind.key for kind in KINDS.values() if kind.stands is Stands.RUN_CHOICE)
"""The components that a config picks one of; plugins that bring kinds may add to them."""

PARTS = ("init", "vars", "look", "targets", "postproc", "finish", "requires")
"""What stands in a config beside settings and components."""
