"""The pages. Upload, result and downloads also work without scripts."""
