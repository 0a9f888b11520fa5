"""The settings of supernet training: table [train] of a settings file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from vitnas.loggers.names import MEANING, LoggerNames, refuse_unknown
from vitnas.settings import Count, Natural, NotNegative, Positive, Settings, Share, TorchDevice, about
from vitnas.supernets.settings.augment import Augment
from vitnas.supernets.settings.distil import Distil
from vitnas.supernets.settings.experts import ExpertSettings
from vitnas.supernets.settings.resolution import Resolution

LoaderName = Literal["threads", "processes"]
OptimizerName = Literal["adamw", "nadam", "radam", "sgd"]


@dataclass(frozen=True)
class TrainSettings(Settings):
    """How a supernet is trained. The defaults suit small images and small spaces."""

    table = "train"
    replaced = (("tensorboard", True, {}), ("tensorboard", False, {"loggers": ()}))

    epochs: Annotated[Count, about("Passes over the training images.")] = 20
    steps: Annotated[Count | None, about("Stop after this many steps; overrides epochs.")] = None
    batch_size: Annotated[Count, about("Images per step, over all workers.")] = 64
    accumulate: Annotated[
        Count, about("Equal shares of a batch whose gradients a step adds up, to need less memory.")
    ] = 1
    init: Annotated[
        str | None,
        about(
            "First weights: timm:NAME, such as timm:deit_tiny_patch16_224, a file of safetensors or of torch, an exported "
            "arch or a run; two of these as stitch:A+B for a space of two networks. Left out, they are drawn."
        ),
    ] = None
    init_order: Annotated[
        str,
        about(
            "Channels of a network that init gives are sorted before the first step, the most important first, so that "
            "smaller archs keep those: activation, dimap, output_error, self_distillation, taylor or weight_gradient; none "
            "leaves them. The network answers as before; a run's weights, trained as a supernet, are not sorted."
        ),
    ] = "output_error"
    optimizer: Annotated[OptimizerName, about("How gradients become updates.")] = "adamw"
    learning_rate: Annotated[
        Positive, about("Peak learning rate, reached after the warm-up; it then falls along a cosine.")
    ] = 2e-3
    final_learning_rate: Annotated[NotNegative, about("Learning rate at the end of the cosine.")] = 0.0
    warmup: Annotated[Share, about("Share of the steps in which the learning rate rises linearly from zero.")] = 0.05
    weight_decay: Annotated[NotNegative, about("Weight decay, on weight matrices only.")] = 0.05
    label_smoothing: Annotated[Share, about("Label smoothing, for archs that learn from labels.")] = 0.1
    loss: Annotated[
        Literal["plain", "asymmetric"],
        about(
            "plain is cross-entropy; asymmetric (ASL) lets labels that an image lacks count for less the surer they are, for "
            '[data] answer = "labels".'
        ),
    ] = "plain"
    balance: Annotated[
        Literal["none", "logit", "weights"],
        about(
            "For long tails: logit makes rare classes or labels win by more while training, by the logarithm of how often each "
            "occurs; weights lets each class count by one over how often it occurs, within ten times. Equal counts change nothing."
        ),
    ] = "none"
    clip_norm: Annotated[
        NotNegative, about("Largest norm of the gradient of a step; 0 leaves the gradient as it is.")
    ] = 1.0
    drop_path: Annotated[
        Share,
        about("Stochastic depth of the largest arch at its last layer; archs that are less deep get less."),
    ] = 0.0
    average: Annotated[
        Share, about("Decay of the running average of the weights, by which a run is judged; 0 keeps no average.")
    ] = 0.0
    sharpness: Annotated[
        NotNegative,
        about("Radius of sharpness-aware steps, such as 0.05; 0 takes plain steps, at half the cost."),
    ] = 0.0
    sampler: Annotated[str, about("Which archs a step trains, see docs/samplers.md.")] = "multi"
    sampler_options: Annotated[dict[str, Any], about("Options of the sampler, as docs/samplers.md lists them.")] = (
        field(default_factory=dict)
    )
    own_archs: Annotated[
        bool, about("Every worker draws archs of its own, unless the sampler needs workers to agree.")
    ] = False
    sync_batch_norm: Annotated[
        bool,
        about(
            "Batch norms normalise by the images of all processes, as those of one process with the whole batch would; "
            "without it each process takes its own share. It needs processes that train the same archs."
        ),
    ] = False
    conflict: Annotated[
        Literal["sum", "project"],
        about(
            '"sum" adds up the gradients of the lessons; "project" first removes from the gradients of the teachers '
            "what opposes those of the pupils (NASViT); it needs a sampler with pupils, see docs/samplers.md."
        ),
    ] = "sum"
    augment: Annotated[Augment, about("How images are changed.")] = field(default_factory=Augment)
    distil: Annotated[Distil, about("An outside network that teaches beside the labels.")] = field(
        default_factory=Distil
    )
    resolution: Annotated[Resolution, about("The sizes at which images are seen.")] = field(default_factory=Resolution)
    experts: Annotated[ExpertSettings, about("Feed-forward layers as several that are averaged.")] = field(
        default_factory=ExpertSettings
    )
    precision: Annotated[
        Literal["fp32", "bf16", "fp16"], about("Number format; fp16 scales the loss and needs a GPU.")
    ] = "fp32"
    compile: Annotated[
        bool,
        about(
            "Compile the smallest and the largest arch, which samplers such as sandwich repeat, with torch.compile; "
            "needs a C++ compiler, and minutes before the first step."
        ),
    ] = False
    channels_last: Annotated[bool, about("Memory layout that suits convolutions on some processors and GPUs.")] = False
    seed: Annotated[Natural, about("Random seed for the first weights, the batches and the archs.")] = 0
    threads: Annotated[
        Count | None,
        about("Processor threads, for all workers of a machine together; left out, as many as torch takes."),
    ] = None
    loader_threads: Annotated[Count, about("Threads or processes that read images ahead.")] = 2
    loader: Annotated[
        LoaderName,
        about(
            "What reads images ahead: threads of this process, or a process each, which pay where Python is busy beside "
            "decoding. Only images in files; the same images come in the same order."
        ),
    ] = "threads"
    torch_device: Annotated[
        TorchDevice, about("Where to train: cpu, cuda, cuda:1 or mps; auto takes a GPU if there is one.")
    ] = "auto"
    log_every: Annotated[Count, about("Steps between two lines in metrics.jsonl.")] = 10
    evaluate_every: Annotated[
        Count | None,
        about(
            "Steps between two evaluations of the smallest, middle and largest arch on all validation images; left out, they "
            "are judged on at most 1,000 of them, and at the end on all, so often that it takes a twentieth of the training."
        ),
    ] = None
    checkpoint_every: Annotated[Count, about("Steps between two checkpoints; the last three are kept.")] = 100
    checkpoint_minutes: Annotated[
        NotNegative,
        about(
            "Minutes without a checkpoint after which one is written in between, kept until the next; 0 writes none."
        ),
    ] = 5.0
    max_bad_steps: Annotated[
        Count, about("Give up after this many steps in a row without a finite loss and gradient.")
    ] = 20
    loggers: Annotated[LoggerNames | None, about(f"{MEANING}; left out, TensorBoard where it is installed.")] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        within = self.final_learning_rate <= self.learning_rate
        self.demand("final_learning_rate", within, "at most learning_rate")
        plain = not self.drop_path and self.experts.num == 1 and self.resolution == Resolution()
        self.demand("compile", plain or not self.compile, "false with drop_path, [train.experts] or [train.resolution]")
        half_there = self.precision != "fp16" or self.torch_device != "cpu"
        self.demand("precision", half_there, 'fp32 or bf16 on a processor; fp16 is for torch_device = "cuda"')
        self.demand("sync_batch_norm", not (self.sync_batch_norm and self.own_archs), "false with own_archs")
        from vitnas.supernets.pruning.importances import IMPORTANCES, NO_ORDER
        from vitnas.supernets.training.samplers.options import read_options  # imports the sampler

        if self.init_order != NO_ORDER and self.init_order not in IMPORTANCES:
            IMPORTANCES.load(self.init_order)
        read_options(self.sampler, self.sampler_options)
        refuse_unknown(self.loggers or (), self.table)
