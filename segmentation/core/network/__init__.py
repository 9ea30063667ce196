"""Networks: model cards, loading, and the prediction of probability maps from pixels."""
