"""DeepSegm."""
