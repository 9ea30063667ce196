"""The pages: micrograph, job and result, my results, everything else. Upload, result and downloads work without scripts."""
