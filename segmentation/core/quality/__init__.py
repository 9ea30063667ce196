"""Quality assurance of a laboratory's methods: their descriptions, control charts, studies of precision, reference
materials, and specifications of a material."""
