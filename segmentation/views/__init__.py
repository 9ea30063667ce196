"""The pages: upload, job and result, my results, everything else; all of them also work without JavaScript."""
