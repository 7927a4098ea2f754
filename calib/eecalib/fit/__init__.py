"""What fits the parameters of exit policies to a recording of the exits."""
