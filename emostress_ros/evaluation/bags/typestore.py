"""Message definitions for `rosbags`: those of ROS 2 Jazzy and this package's own.

The package's definitions are read from the `.msg` files themselves, so that bags can be made and
read where nothing has been generated.
"""

from __future__ import annotations

from functools import lru_cache

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from emostress_ros.errors import BagError
from emostress_ros.resources import PACKAGE, share_directory


@lru_cache(maxsize=1)
def typestore() -> Typestore:
    """Return the store that knows every message this package puts into a bag.

    Raises:
        BagError: the package's message definitions are not where they belong.
    """
    store = get_typestore(Stores.ROS2_JAZZY)
    files = sorted((share_directory() / "msg").glob("*.msg"))
    if not files:
        raise BagError(f"no message definitions (*.msg) in {share_directory() / 'msg'}")
    definitions = {}
    for file in files:
        name = f"{PACKAGE}/msg/{file.stem}"
        definitions.update(get_types_from_msg(file.read_text(encoding="utf-8"), name))
    store.register(definitions)
    return store
