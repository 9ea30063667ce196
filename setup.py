"""What pyproject.toml cannot say of the wheel: its packages, and what it needs, which requirements.txt alone knows."""

from pathlib import Path

from setuptools import find_packages, setup

PAGES = ("templates", "static")  # at the top of the checkout, inside `deepsegm` in a wheel
# What an analysis on one machine's processor does without.
GPU = ("torch", "torchvision", "segmentation-models-pytorch", "timm", "safetensors")
EXTRAS = {"gpu": GPU, "lab": (*GPU, "onnx"), "server": ("psycopg", "redis", "django-storages")}


def ranges() -> dict[str, list[str]]:
    """The requirements of each package of requirements.txt, by its name: from the version that is tested up to the next
    major one, and without an end where versions are dates."""
    lines: dict[str, list[str]] = {}
    for line in Path(__file__).with_name("requirements.txt").read_text(encoding="utf-8").splitlines():
        requirement, _, marker = (part.strip() for part in line.partition("#")[0].partition(";"))
        if requirement:
            package, _, version = requirement.partition("==")
            major = int(version.partition(".")[0])
            end = f",<{major + 1}" if major < 2000 else ""
            name = package.partition("[")[0]
            lines.setdefault(name, []).append(f"{package}>={version}{end}" + (f"; {marker}" if marker else ""))
    return lines


needed = ranges()
optional = {name for names in EXTRAS.values() for name in names}
setup(
    packages=[
        *find_packages(include=["deepsegm", "deepsegm.*", "segmentation", "segmentation.*", "worker", "worker.*"]),
        *(f"deepsegm.{name}" for name in PAGES),
    ],
    package_dir={f"deepsegm.{name}": name for name in PAGES},
    package_data={
        "": ["*.toml", "*.json", "*.j2", "py.typed"],
        "segmentation": ["cards/*"],
        "segmentation.lab": ["recipes/*"],
        "segmentation.lab.research": ["*.html"],
        **{f"deepsegm.{name}": ["**/*"] for name in PAGES},
    },
    install_requires=[line for name, lines in needed.items() if name not in optional for line in lines],
    extras_require={extra: [line for name in names for line in needed[name]] for extra, names in EXTRAS.items()},
)
