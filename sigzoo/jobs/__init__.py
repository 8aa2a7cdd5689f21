"""Long work on many images: what to do (manifests), in which pieces (shards), what is done (job folders).

`run_job` turns a manifest into a folder of shards. A manifest is cut into shards of a fixed number of
images; each becomes one file that appears whole, and a job that was killed goes on with the shards that are
not there. How a shard is computed and written is one function, `embed_shards`, wherever it runs.

An engine decides where. It implements `Engine`: given an `EmbedJob` (the settings that load the model, and
the `JobFolder` that takes shards; both can be pickled) and the shards that are still to be done, an iterator
that is read as far as the engine has room, it calls::

    embed_shards(job.settings.load(), shards, job.folder)

once for all (`LocalEngine`), or in many processes with some of the shards each, the model loaded once a
process, and gives back the `ShardDone` of each shard in any order. A shard that is done twice is written
twice with the same content under the same name, so a lost worker's shard is simply given to another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigzoo.common.lazy import lazy_names

if TYPE_CHECKING:
    from sigzoo.jobs.embedding import EmbedJob, EmbedSettings, Engine, LocalEngine, embed_shards
    from sigzoo.jobs.folder import JobFolder
    from sigzoo.jobs.manifest import Manifest, open_manifest
    from sigzoo.jobs.ray_data import EmbedPrepared, PrepareImages
    from sigzoo.jobs.ray_engine import RayEngine
    from sigzoo.jobs.run import run_job
    from sigzoo.jobs.shard_writer import ShardDone
    from sigzoo.jobs.shards import Shard

__all__ = [
    "EmbedJob",
    "EmbedPrepared",
    "EmbedSettings",
    "Engine",
    "JobFolder",
    "LocalEngine",
    "Manifest",
    "PrepareImages",
    "RayEngine",
    "Shard",
    "ShardDone",
    "embed_shards",
    "open_manifest",
    "run_job",
]

__getattr__ = lazy_names(
    __name__,
    {
        "EmbedJob": "embedding",
        "EmbedPrepared": "ray_data",
        "EmbedSettings": "embedding",
        "Engine": "embedding",
        "JobFolder": "folder",
        "LocalEngine": "embedding",
        "Manifest": "manifest",
        "PrepareImages": "ray_data",
        "RayEngine": "ray_engine",
        "Shard": "shards",
        "ShardDone": "shard_writer",
        "embed_shards": "embedding",
        "open_manifest": "manifest",
        "run_job": "run",
    },
)
