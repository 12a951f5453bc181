"""The HDF5 file: made, appended to, changed and read without harm."""
