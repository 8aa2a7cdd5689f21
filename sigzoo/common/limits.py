"""What may be read from files that strangers made: every bound on size, depth and count, in one place.

Each is far above what any honest file needs and far below what troubles a machine.
"""

from __future__ import annotations

MIB, GIB = 1 << 20, 1 << 30

# Weight files and checkpoints.

MAX_WEIGHT_FILE = 4 * GIB
"""Largest weight file that is read; SigNet's take 64 MB."""

MAX_CHECKPOINT = 16 * GIB
"""Largest checkpoint of a training run: the network and up to two numbers more for each of its own."""

MAX_AXES = 8
"""Axes of an array in any format."""

MAX_SAFETENSORS_HEADER = 8 * MIB

# Pickles, which are programs: a file of a kilobyte could ask for anything.

MAX_INSTRUCTIONS = 200_000
"""Of a weight file's pickle; a published file has about a thousand, 2,000 tensors need 60,000."""

MAX_CHECKPOINT_INSTRUCTIONS = 500_000
"""Of a checkpoint's pickle, which has three more tensors for each of the network's."""

MAX_PICKLE_MEMBER = 256 * MIB
"""Bytes of the pickle inside a torch archive; 2,000 tensors need 300 kB."""

MAX_CONTAINERS = 200_000
"""Tuples, lists and dicts that a pickle makes; each tensor needs five."""

MAX_DEPTH = 32
"""Levels of objects in one another; weight files have 4, checkpoints 6."""

MAX_PARTS = 1_000_000
"""Parts of one object, counted as often as they are met on a walk through it: a tuple of itself twice,
sixty times over, takes a kilobyte to write down and all time to walk through."""

MAX_TEXT = 64 * 1024
"""Bytes of a text; names of tensors have under 100."""

MAX_NAME = 256
"""Bytes of the name of a module, a class, a dtype."""

# Zip archives.

MAX_ZIP_DIRECTORY = 8 * MIB
"""Largest central directory; a weight archive or data set needs a few kilobytes."""

MAX_MEMBER = 2 * GIB
"""Largest member that is read into memory."""

FREE_INFLATION = 64 * MIB
"""Up to this size a member may be compressed as well as it likes."""

MAX_MEMBER_RATIO = 200
"""Largest inflation of a bigger member; trained weights compress to about 0.9 of their size."""

MAX_ARCHIVE_RATIO = 20
"""Largest inflation of all members together that are read into memory, beyond `FREE_INFLATION`."""

# Arrays in an .npz.

MAX_NPY_HEADER = 10_000

MAX_ARRAY = 256 * MIB
"""Largest array that is read whole."""

MAX_ARRAY_ROW = 64 * MIB
"""Largest entry along the first axis; a float32 image of 4096 x 4096."""

MAX_DESCRIBED = 4096
"""Bytes of a deflated array's beginning that are unpacked to describe it."""

# Object stores.

MAX_REMOTE_IMAGE = 256 * MIB
"""Largest file of an image that is fetched; a scan of 100 megapixels, uncompressed, has 100 MB."""

# Registries.

MAX_YAML = 4 * MIB
MAX_YAML_DEPTH = 24

MAX_YAML_NODES = 100_000
"""Texts, lists and mappings of a registry; the core's own has 4,000."""

MAX_DIGITS = 40
"""Digits of a number in a text; a size in bytes has 13."""

# Messages.

LISTED = 8
"""Names that a message lists before it says how many more there are."""
