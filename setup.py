"""The parts of the wheel's description that pyproject.toml cannot express: its packages, and requirements that are read
from requirements.txt."""

from pathlib import Path

from setuptools import find_packages, setup

# Folders at the top of the checkout that lie inside `deepsegm` in a wheel (segmentation/location.py). The
# command `watch` needs the client.
FILES = {"templates": "**/*", "static": "**/*", "client": "deepsegm_client/*"}
# Packages that an analysis on a processor does not need.
GPU = ("torch", "torchvision", "segmentation-models-pytorch", "timm", "safetensors")
EXTRAS = {"gpu": GPU, "lab": (*GPU, "onnx"), "server": ("psycopg", "redis", "django-storages")}
PACKAGES = ("deepsegm", "segmentation", "worker")
REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def ranges() -> dict[str, list[str]]:
    """The requirements by name of a package: from the version in requirements.txt, which is tested, up to
    the next major version; without an upper limit if versions are dates."""
    requirements: dict[str, list[str]] = {}
    for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines():
        requirement, _, marker = (part.strip() for part in line.partition("#")[0].partition(";"))
        if requirement:
            package, _, version = requirement.partition("==")
            major = int(version.partition(".")[0])
            limit = f",<{major + 1}" if major < 2000 else ""
            condition = f"; {marker}" if marker else ""
            name = package.partition("[")[0]
            requirements.setdefault(name, []).append(f"{package}>={version}{limit}{condition}")
    return requirements


requirements_by_name = ranges()
optional_names = {name for names in EXTRAS.values() for name in names}
base_requirements = [
    line for name, lines in requirements_by_name.items() if name not in optional_names for line in lines
]
setup(
    packages=[
        *find_packages(include=[f"{name}{suffix}" for name in PACKAGES for suffix in ("", ".*")]),
        *(f"deepsegm.{name}" for name in FILES),
    ],
    package_dir={f"deepsegm.{name}": name for name in FILES},
    package_data={
        "": ["*.toml", "*.json", "*.j2", "py.typed"],
        "segmentation": ["cards/*"],
        "segmentation.quality": ["templates/**/*"],
        "segmentation.learning": ["templates/**/*"],
        "segmentation.lab": ["recipes/*"],
        "segmentation.lab.research": ["*.html"],
        **{f"deepsegm.{name}": [files] for name, files in FILES.items()},
    },
    exclude_package_data={
        "deepsegm.client": ["pyproject.toml"],
        "": ["**/__pycache__/*", "*.pyc"],
    },
    install_requires=base_requirements,
    extras_require={
        extra: [line for name in names for line in requirements_by_name[name]] for extra, names in EXTRAS.items()
    },
)
