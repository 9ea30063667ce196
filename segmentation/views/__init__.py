"""The pages of the site. Upload, result and downloads also work without JavaScript."""
