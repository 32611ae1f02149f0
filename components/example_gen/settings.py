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
from data.listing.kept_listing import update_listing
from data.listing.listing import Listing


class ExampleGenSettings(Strict):
    """Settings of ExampleGen.

    Attributes:
      data: The `data` section of the config.
      name: Name of the data set, used if the source does not define a name.
      folder: Folder to which some kinds of sources write images and masks.
      listing: Folder, local or remote, of the list of pairs that is kept between runs.
      code: Version of the code that reads the data. The version is part of the cache key, so the
        data are read again when the code changes.
    """

    data: DataConfig
    name: str
    folder: str
    listing: str
    code: str

    def as_proto(self) -> wrappers_pb2.StringValue:
        """Packs the settings as JSON in a message for the component's `custom_config`."""
        return wrappers_pb2.StringValue(value=self.model_dump_json())

    def update_listing(self, beam_arguments: Sequence[str]) -> Listing:
        """Lists the pairs of the source and hashes new and changed files.

        Args:
          beam_arguments: Beam options of the pipeline.

        Returns:
          The pairs, with the fingerprint of the data.

        Raises:
          InputError: The source as a whole cannot be used; for example, its folder does not exist.
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
