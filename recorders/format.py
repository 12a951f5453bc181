"""What a recording calls itself; apart from the rest, so that reading one loads no torch."""

FORMAT = "learning-dynamics"
FORMAT_VERSION = 1
# Attributes of a dataset that say which axis it is, or has; netCDF-4 keeps them to itself.
OF_AXES = ("CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "_Netcdf4Dimid")
