"""The extensions in C; all else of the package stands in setup.cfg."""

from setuptools import Extension, setup
from setuptools.command.build_py import build_py


class PackageOnly(build_py):
    """Leaves at home what lies at the root, which is the package's, and is for developers."""

    def find_package_modules(self, package, package_dir):
        """Return the modules of a package without noxfile.py."""
        return [module for module in super().find_package_modules(package, package_dir) if module[1] != "noxfile"]


# Where they cannot be built, Python does the same.
setup(
    # Else it would be taken for a module of the package whose root this is.
    script_name="setup.py",
    cmdclass={"build_py": PackageOnly},
    ext_modules=[
        Extension(
            "dyn.recorders.step._hotpath",
            ["recorders/step/_hotpath.c"],
            depends=["recorders/step/_tensors.h", "recorders/step/_payments.h"],
            optional=True,
        ),
        Extension("dyn.recorders.model._folding", ["recorders/model/_folding.c"], optional=True),
    ],
)
