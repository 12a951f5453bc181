"""A recording as its reader sees it: file and ring as one."""
