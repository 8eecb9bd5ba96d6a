"""Each kind's observing and acting; what it decides is in the module of its name beside this folder."""
