"""Input and output: engines, routers, processes and files are read and written here. No policy: what a reading means is delivery's."""
