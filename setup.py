"""The extension in C; all else of the package stands in setup.cfg."""

from setuptools import Extension, setup

# Where it cannot be built, Python does the same.
setup(
    # Else it would be taken for a module of the package whose root this is.
    script_name="setup.py",
    ext_modules=[
        Extension(
            "dyn.recorders.step._hotpath",
            ["recorders/step/_hotpath.c"],
            depends=["recorders/step/_tensors.h"],
            optional=True,
        )
    ],
)
