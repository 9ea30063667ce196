"""What single kinds of analysis measure: phases, fibres, layers."""
