"""Three example plug-ins for DeepSegm, each a separate wheel, and their tests."""
