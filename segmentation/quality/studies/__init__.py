"""The studies of methods: their precision, from results under changed conditions."""
