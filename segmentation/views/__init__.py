"""The pages: micrograph, job and result, my results, everything else; all of them also work without JavaScript."""
