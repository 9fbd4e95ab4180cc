"""What a settled run can be checked for."""
