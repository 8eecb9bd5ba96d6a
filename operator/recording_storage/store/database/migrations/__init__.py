"""The migrations travel with the package, so that the image and a checkout upgrade a database in the same way."""
