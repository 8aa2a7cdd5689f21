"""The core's own parts, registered through the same hooks as a third party's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigzoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from sigzoo.hookspecs import Register

SIGZOO_API = 2

COMMANDS = {
    "tour": "sigzoo.cli.tour:tour",
    "list": "sigzoo.cli.listing:list_command",
    "info": "sigzoo.cli.info:info",
    "cite": "sigzoo.cli.cite:cite",
    "embed": "sigzoo.cli.embed:embed",
    "compare": "sigzoo.cli.compare:compare",
    "gallery": "sigzoo.cli.gallery:gallery",
    "verify": "sigzoo.cli.verify:verify",
    "find": "sigzoo.cli.find:find",
    "index": "sigzoo.cli.index:index_command",
    "serve": "sigzoo.cli.serve:serve",
    "calibrate": "sigzoo.cli.calibrate:calibrate",
    "evaluate": "sigzoo.cli.evaluate:evaluate_command",
    "leaderboard": "sigzoo.cli.leaderboard:leaderboard",
    "synth": "sigzoo.cli.synth:synth",
    "dataset": "sigzoo.cli.dataset:dataset",
    "fetch": "sigzoo.cli.fetch:fetch",
    "cache": "sigzoo.cli.cache:cache",
    "convert": "sigzoo.cli.convert:convert",
    "export": "sigzoo.cli.export:export",
    "preprocess": "sigzoo.cli.preprocess:preprocess",
    "check": "sigzoo.cli.check:check",
    "plugins": "sigzoo.cli.plugins:plugins",
    "train": "sigzoo.cli.train:train",
    "distill": "sigzoo.cli.distill:distill",
    "build": "sigzoo.cli.build:build",
    "invert": "sigzoo.cli.invert:invert",
    "new-plugin": "sigzoo.cli.new_plugin:new_plugin",
}
"""Name -> lazy target, in the order in which a newcomer meets them."""


@hookimpl
def sigzoo_register_runtimes(register: Register) -> None:
    """Register what runs a network."""
    register("torch", "sigzoo.runtimes.torch:TorchRuntime")
    register("torch-compiled", "sigzoo.runtimes.torch:CompiledTorchRuntime")
    register("onnx", "sigzoo.runtimes.onnx:OnnxRuntime")
    register("openvino", "sigzoo.runtimes.openvino:OpenVinoRuntime")


@hookimpl
def sigzoo_register_data_sources(register: Register) -> None:
    """Register the layouts of published data sets, and what takes anything else of its kind."""
    published = "sigzoo.datasets.published"
    register("bhsig260", f"{published}.bhsig260:BHSig260")
    register("brazilian", f"{published}.brazilian:Brazilian")
    register("cedar", f"{published}.cedar:Cedar")
    register("crossmedia", f"{published}.crossmedia:CrossMedia")
    register("gpds", f"{published}.gpds:Gpds")
    register("gpds-synthetic", f"{published}.gpds:GpdsSynthetic")
    register("mcyt", f"{published}.mcyt:Mcyt")
    register("sigcomp2009", f"{published}.sigcomp:SigComp2009")
    register("sigcomp2011", f"{published}.sigcomp:SigComp2011")
    register("folder", "sigzoo.datasets.image_folders:ImageFolder")
    register("npz", "sigzoo.datasets.npz_source:NpzSource")
    register("synth", "sigzoo.datasets.synthetic:SyntheticSource")


@hookimpl
def sigzoo_register_samplers(register: Register) -> None:
    """Register what draws batches."""
    register("families", "sigzoo.learning.data.samplers:FamilySampler")
    register("shuffled", "sigzoo.learning.data.samplers:ShuffledSampler")


@hookimpl
def sigzoo_register_weight_formats(register: Register) -> None:
    """Register the weight formats that belong to no publication."""
    register("safetensors", "sigzoo.weights.safetensors_files:SafetensorsFormat")
    register("torch-tuple", "sigzoo.weights.torch_formats:TorchTupleFormat")
    register("torch", "sigzoo.weights.torch_formats:TorchFormat")


@hookimpl
def sigzoo_register_protocols(register: Register) -> None:
    """Register the evaluation protocols that need nothing but numpy."""
    register("training-free", "sigzoo.evaluation.protocols:DistanceProtocol")
    register("distance", "sigzoo.evaluation.protocols:DistanceProtocol")
    register("writer-dependent", "sigzoo.evaluation.writer_dependent:WriterDependent")
    register("writer-independent", "sigzoo.evaluation.writer_independent:WriterIndependent")


@hookimpl
def sigzoo_register_commands(register: Register) -> None:
    """Register the commands of `sigzoo`."""
    for name, target in COMMANDS.items():
        register(name, target)
