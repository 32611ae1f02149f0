from components.example_gen.component import PairsExampleGen
from components.example_gen.settings import ExampleGenSettings
from tests.components.example_gen.conftest import settings_of


def test_settings_survive_the_components_execution_properties(tmp_path):
    settings = settings_of(tmp_path, mask_values={0: "ground", 255: "disc"}, group="^.")
    assert ExampleGenSettings.of(PairsExampleGen(settings).exec_properties) == settings
