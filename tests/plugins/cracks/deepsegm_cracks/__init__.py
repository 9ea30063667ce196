"""A plug-in for DeepSegm with a further kind of analysis, cracks."""
