"""The views of the site's pages. Upload, result and downloads also work without JavaScript."""
