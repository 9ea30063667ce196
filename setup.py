"""What pyproject.toml cannot say of the wheel: its packages, and what requirements.txt asks for."""

from pathlib import Path

from setuptools import find_packages, setup

# At the top of the checkout, inside `deepsegm` in a wheel (segmentation/location.py); `watch` needs
# the client.
FILES = {"templates": "**/*", "static": "**/*", "client": "deepsegm_client/*"}
# What an analysis on one machine's processor does without.
GPU = ("torch", "torchvision", "segmentation-models-pytorch", "timm", "safetensors")
EXTRAS = {"gpu": GPU, "lab": (*GPU, "onnx"), "server": ("psycopg", "redis", "django-storages")}
PACKAGES = ("deepsegm", "segmentation", "worker")
REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def ranges() -> dict[str, list[str]]:
    """The requirements of each package of requirements.txt, by its name: from the version that is
    tested up to the next major one, and without an end where versions are dates."""
    by_name: dict[str, list[str]] = {}
    for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines():
        requirement, _, marker = (part.strip() for part in line.partition("#")[0].partition(";"))
        if requirement:
            package, _, version = requirement.partition("==")
            major = int(version.partition(".")[0])
            end = f",<{major + 1}" if major < 2000 else ""
            condition = f"; {marker}" if marker else ""
            name = package.partition("[")[0]
            by_name.setdefault(name, []).append(f"{package}>={version}{end}{condition}")
    return by_name


needed = ranges()
optional = {name for names in EXTRAS.values() for name in names}
always = [line for name, lines in needed.items() if name not in optional for line in lines]
setup(
    packages=[
        *find_packages(include=[f"{name}{below}" for name in PACKAGES for below in ("", ".*")]),
        *(f"deepsegm.{name}" for name in FILES),
    ],
    package_dir={f"deepsegm.{name}": name for name in FILES},
    package_data={
        "": ["*.toml", "*.json", "*.j2", "py.typed"],
        "segmentation": ["cards/*"],
        "segmentation.lab": ["recipes/*"],
        "segmentation.lab.research": ["*.html"],
        **{f"deepsegm.{name}": [files] for name, files in FILES.items()},
    },
    exclude_package_data={
        "deepsegm.client": ["pyproject.toml"],
        "": ["**/__pycache__/*", "*.pyc"],
    },
    install_requires=always,
    extras_require={extra: [line for name in names for line in needed[name]] for extra, names in EXTRAS.items()},
)
