"""What a laboratory needs to show that a method stays under control: specifications, reference
materials, control charts, studies of precision, and the description of the method itself."""
