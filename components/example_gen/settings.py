"""Settings of the ExampleGen components."""

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import wrappers_pb2
from tfx.proto import example_gen_pb2
from tfx.types import standard_component_specs
from tfx.utils import proto_utils
from typing_extensions import Self

from components.example_gen.listing_job import listing_job
from data.config import DataConfig, Strict
from data.sources.kept_listing import update_listing
from data.sources.listing import Listing


class ExampleGenSettings(Strict):
    """Settings of ExampleGen.

    Attributes:
      data: The `data:` part of the config.
      name: Name of the data set if the source does not define one.
      folder: Folder for the files of a source that generates its files (`sample`, `tfds`).
      listing: Folder of the list of files that is kept from run to run, local or remote.
      code: Version of the code that reads the data. It is part of the cache key, so a new version
        reads the data again.
    """

    data: DataConfig
    name: str
    folder: str
    listing: str
    code: str

    def as_proto(self) -> wrappers_pb2.StringValue:
        """Packs the settings for the component's `custom_config`."""
        return wrappers_pb2.StringValue(value=self.model_dump_json())

    def update_listing(self, beam_arguments: Sequence[str]) -> Listing:
        """Lists the pairs of the source and hashes their contents; unchanged files are not read.

        Args:
          beam_arguments: Beam options of the pipeline.

        Raises:
          InputError: The source as a whole cannot be used.
        """
        run_job = listing_job(self.data.source, beam_arguments, self.listing)
        return update_listing(
            self.data, self.listing, run_job, name=self.name, own_folder=self.folder
        )

    @classmethod
    def of(cls, exec_properties: Mapping[str, Any]) -> Self:
        """Unpacks the settings from a component's execution properties."""
        custom_config = example_gen_pb2.CustomConfig()
        proto_utils.json_to_proto(
            exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY], custom_config
        )
        packed = wrappers_pb2.StringValue()
        custom_config.custom_config.Unpack(packed)
        return cls.model_validate_json(packed.value)
